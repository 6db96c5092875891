// What stands behind a ranking: how new the query is, what decided, and the nearest training queries.

import { ask, Problem } from "./api.js";
import { el, find } from "./elements.js";
import { decimal, percent } from "./numbers.js";

const SHOWN_PICTURES = 2;
const DECIDERS = {
  net: "The net",
  neighbours: "The nearest training queries",
  default: "The best single VLM is ahead",
};

export function showWhy({ why, ranking }, about, signal) {
  find("why").hidden = ranking === undefined;
  find("nearest").hidden = !why?.neighbours.length;
  find("facts").replaceChildren(...(why ? facts(why) : [fact("Novelty", "unknown", "The router cannot say how new a query is, or is not asked.")]));
  const items = (why?.neighbours ?? []).map((neighbour) => item(neighbour));
  find("neighbours").replaceChildren(...items.map(({ element }) => element));
  if (about.pictures) items.forEach((one) => fill(one, signal));
}

function facts({ novelty, trust, default: single, surest, beats_default: chance, decided_by: decider }) {
  return [
    fact("Novelty", decimal(novelty), "0: like training queries. The higher, the newer."),
    fact("Trust", percent(trust), "How much net and neighbours count at this novelty."),
    fact("Decided by", DECIDERS[decider], surest === single ? `${single} is the best single VLM.`
      : `${surest} beats ${single}, the best single VLM, with a chance of ${percent(chance)}.`),
  ];
}

function fact(name, value, meaning) {
  return el("div", {}, el("dt", { textContent: name }),
    el("dd", {}, el("span", { className: "big", textContent: value }), el("span", { className: "hint", textContent: meaning })));
}

function item({ query_id: id, similarity, right, wrong }) {
  const asked = el("p", { textContent: id });
  const element = el("li", {}, asked, el("p", { className: "hint", textContent: `Similarity ${decimal(similarity)}` }),
    verdict("right", "✓ Right: ", right), verdict("wrong", "✗ Wrong: ", wrong));
  return { id, element, asked };
}

function verdict(kind, words, vlms) {
  return vlms.length ? el("p", { className: kind }, el("b", { textContent: words }), vlms.join(", ")) : null;
}

// Show what was asked, once it is there.
async function fill({ id, element, asked }, signal) {
  const query = new URLSearchParams({ query_id: id });
  try {
    const { question, num_images: number } = await (await ask(`/v1/neighbours?${query}`, { signal })).json();
    asked.textContent = question || "(no question)";
    for (let place = 0; place < Math.min(number, SHOWN_PICTURES); place += 1) {
      query.set("place", place);
      const file = await (await ask(`/v1/neighbours/picture?${query}`, { signal })).blob();
      const picture = el("img", { src: URL.createObjectURL(file), alt: `Picture ${place + 1} of training query ${id}` });
      picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
      asked.before(picture);
    }
  } catch (error) {
    if (error instanceof Problem) element.append(el("p", { className: "hint", textContent: error.message }));
    else if (error.name !== "AbortError") throw error;
  }
}
