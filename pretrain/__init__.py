"""What the bundled encoders are pretrained on: an endless, seeded stream of drawn pictures with texts in six languages.

A picture is a scene of some family (`scenes`) drawn under visual conditions (`drawing`). What is true of it are facts,
free of language, which `language` puts into captions and into questions with their answers. `stream` draws batches;
`corpus` writes texts without pictures, for the vocabulary and for masked-language training. Every draw is a pure
function of its seed, so training resumes at any step and workers draw in any order.
"""
