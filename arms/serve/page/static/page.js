// The page: two views, one address.

import { Problem, readAbout } from "./api.js";
import { offerPolicies, watchForm } from "./ask.js";
import { find } from "./elements.js";
import { leaveTraffic, showTraffic } from "./traffic.js";

const VIEWS = ["ask", "traffic"];

function show(view) {
  for (const name of VIEWS) {
    find(name).hidden = name !== view;
    if (name === view) find(`to-${name}`).setAttribute("aria-current", "page");
    else find(`to-${name}`).removeAttribute("aria-current");
  }
  document.title = `${find(`to-${view}`).textContent} · ARMS`;
  if (view === "traffic") showTraffic();
  else leaveTraffic();
}

// Other fragments, such as that of the skip link, leave the view as it is.
function follow() {
  const view = location.hash.slice(1);
  if (VIEWS.includes(view)) show(view);
}

try {
  const about = await readAbout();
  find("change-key").hidden = !about.keys;
  watchForm(about);
  await offerPolicies();
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  find("problem").textContent = error.message;
} finally {
  addEventListener("hashchange", follow);
  follow();
}
