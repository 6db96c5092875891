// The key: asked for once, and kept until the tab is closed.

import { find } from "./elements.js";

const PLACE = "arms-key";
const dialog = find("key-dialog");
const field = find("key");
let waiting = null;

export const storedKey = () => sessionStorage.getItem(PLACE);
export const forgetKey = () => sessionStorage.removeItem(PLACE);

// Ask for a key; all who ask at once wait for the same answer: the key, or null.
export function requestKey(refused) {
  waiting ??= new Promise((resolve) => {
    field.value = "";
    find("key-problem").textContent = refused ? "This key was refused. Is it complete?" : "";
    dialog.addEventListener("close", () => {
      waiting = null;
      resolve(dialog.returnValue === "use" ? storedKey() : null);
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return waiting;
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = field.value.trim();
  // A header holds no other characters, so no key of a gateway does.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    find("key-problem").textContent = key ? "A key has no spaces and no such characters." : "Type or paste the key.";
    field.focus();
    return;
  }
  sessionStorage.setItem(PLACE, key);
  dialog.close("use");
});
find("key-cancel").addEventListener("click", () => dialog.close());
find("change-key").addEventListener("click", () => requestKey(false));
