"""The one place that has libraries load models. No model's own code is ever run, or asked about.

`download` is true where settings name the model, and false where a saved router does; see `arms.encoders.origins`.
"""
