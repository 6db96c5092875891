// Small charts: each is drawn, said in words for those who do not see it, and has its table behind it.

import { bar, drawing, el, svg } from "./elements.js";

export class Chart {
  constructor(title, note, head) {
    this.note = el("p", { className: "hint", textContent: note });
    this.drawn = el("div", { attributes: { role: "img" } });
    this.body = el("tbody");
    const caption = el("caption", { className: "hint", textContent: title });
    const row = el("tr", {}, ...head.map((name) => el("th", { scope: "col", textContent: name })));
    const table = el("table", {}, caption, el("thead", {}, row), this.body);
    const scroll = el("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": `Table: ${title}` } }, table);
    this.title = title;
    this.element = el(
      "figure", {}, el("figcaption", {}, el("h2", { textContent: title }), this.note), this.drawn,
      el("details", {}, el("summary", { textContent: "As a table", attributes: { "aria-label": `${title} as a table` } }), scroll),
    );
  }

  // `table` has a row of texts for each line; the first of a row is its name.
  update(drawing, words, table) {
    this.drawn.replaceChildren(drawing);
    this.drawn.setAttribute("aria-label", `${this.title}: ${words}`);
    this.body.replaceChildren(...table.map(([name, ...cells]) => el(
      "tr", {}, el("th", { scope: "row", textContent: name }), ...cells.map((text) => el("td", { textContent: text })),
    )));
  }
}

// Bars side by side: each of a name, a share of the whole width, and its value as text.
export function bars(rows) {
  return lines(rows.map(({ name, share, text }) => ({ name, text, drawn: bar(share) })));
}

// A point between two ends, all as shares of the width; the ends may be unknown.
export function intervals(rows) {
  return lines(rows.map(({ name, low, at, high, text }) => ({
    name, text,
    drawn: drawing(
      100, 10,
      svg("rect", { class: "track", y: 4.5, width: 100, height: 1 }),
      svg("line", { class: "span", x1: 100 * (low ?? at), x2: 100 * (high ?? at), y1: 5, y2: 5 }),
      svg("rect", { class: "fill", x: Math.min(98.5, Math.max(0, 100 * at - 0.75)), width: 1.5, height: 10 }),
    ),
  })));
}

function lines(rows) {
  return el("div", { className: "rows" }, ...rows.map(({ name, text, drawn }) => el(
    "div", { className: "row" }, el("span", { textContent: name }), drawn, el("span", { textContent: text }),
  )));
}

// Columns over an axis whose ends are named.
export function columns(counts, from, to) {
  const most = Math.max(1, ...counts);
  const rects = counts.map((count, place) => svg("rect", {
    class: "fill", x: place * 10 + 0.5, width: 9, y: 100 - (100 * count) / most, height: (100 * count) / most,
  }));
  const ground = svg("rect", { class: "track", y: 99, width: counts.length * 10, height: 1 });
  const axis = el("p", {}, el("span", { textContent: from }), el("span", { textContent: to }));
  return el("div", { className: "columns" }, drawing(counts.length * 10, 100, ground, ...rects), axis);
}
