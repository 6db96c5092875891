// The ranking: each VLM with the router's confidence in it and what it is expected to cost.

import { bar, el, find } from "./elements.js";
import { decimal, roughUsd, seconds } from "./numbers.js";

const FAILURES = {
  late: "it took longer than its limit",
  busy: "too many requests wait for it",
  picture: "a picture could not be downloaded",
  error: "it failed",
};

export function showRanking(route) {
  const ranking = route.ranking ?? route.order.map((vlm) => ({ vlm, confidence: null }));
  find("choice").textContent = choice(route);
  find("ranked").replaceChildren(...ranking.map((ranked) => row(ranked, route)));
  const unable = Object.entries(route.unable);
  find("unable").replaceChildren(...unable.map(([vlm, reason]) => el("li", { textContent: `${vlm} ${reason}` })));
}

function choice({ vlm, reason, greedy, propensity, router_failure: failure, decision_s: time }) {
  const why = {
    policy: `The policy chose ${vlm}`,
    explore: `${vlm} was drawn to learn from it, with a chance of ${decimal(propensity)}; the policy would choose ${greedy}`,
    sticky: `The session stays with ${vlm}`,
    default: `The router did not decide: ${FAILURES[failure] ?? "it failed"}. So ${vlm} is asked, which needs no router`,
    shadow: `The gateway only watches: ${vlm} answers everything. The router would choose ${greedy}`,
  };
  return `${why[reason] ?? `${vlm} is asked`}. It took ${seconds(time)}.`;
}

function row({ vlm, confidence, expected_cost_usd: cost }, route) {
  const chosen = vlm === route.vlm;
  const name = el("th", { scope: "row" }, vlm, chosen ? el("span", { className: "mark", textContent: "chosen" }) : null);
  const drawn = confidence === null ? null : bar(confidence);
  return el(
    "tr", { className: chosen ? "chosen" : "" }, name,
    el("td", {}, el("div", { className: "measure" }, el("span", { textContent: decimal(confidence) }), drawn)),
    el("td", { textContent: roughUsd(cost ?? route.expected_costs_usd[vlm]) }),
  );
}
