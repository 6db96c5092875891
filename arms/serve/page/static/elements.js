// Making elements: text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export function el(tag, properties = {}, ...children) {
  const { data = {}, attributes = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  return finish(element, attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return finish(document.createElementNS(SVG, tag), attributes, children);
}

// A picture that stretches with its place, and that screen readers pass over: words stand beside it.
export function drawing(width, height, ...children) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", attributes, ...children);
}

export function bar(share) {
  return drawing(
    100, 10,
    svg("rect", { class: "track", width: 100, height: 10 }),
    svg("rect", { class: "fill", width: 100 * Math.min(1, Math.max(0, share)), height: 10 }),
  );
}

function finish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}
