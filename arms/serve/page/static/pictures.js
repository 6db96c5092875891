// The pictures to ask about: chosen, dropped or pasted.

import { el, find } from "./elements.js";

const MIB = 2 ** 20;
const chosen = [];
const list = find("pictures");
const input = find("files");
const drop = find("drop");
let limits = { images: Infinity, body_mb: Infinity };
let say = () => {};

// `tell` receives what there is to say, and whether it is a problem.
export function watchPictures(about, tell) {
  [limits, say] = [about, tell];
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length && !find("ask").hidden) add(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!find("ask").hidden) add(event.dataTransfer.files);
  });
}

export const countPictures = () => chosen.length;
export const readPictures = () => Promise.all(chosen.map(({ file }) => dataUri(file)));

function add(files) {
  const problems = [...files].map(problemOf).filter((problem) => problem !== null);
  if (problems.length) say(problems.join(" "), true);
  else say(`${chosen.length} ${chosen.length === 1 ? "picture" : "pictures"} chosen.`, false);
}

function problemOf(file) {
  const size = (4 / 3) * (file.size + chosen.reduce((sum, one) => sum + one.file.size, 0));
  if (!file.type.startsWith("image/")) return `${file.name} is no picture.`;
  if (chosen.length >= limits.images) return `${file.name} is one too many: ${limits.images} pictures at most.`;
  if (size > limits.body_mb * MIB) return `${file.name} is too large: the gateway takes ${limits.body_mb} MiB in all.`;
  show(file);
  return null;
}

function show(file) {
  const picture = { file, address: URL.createObjectURL(file) };
  const name = file.name || `Picture ${chosen.length + 1}`;
  const button = el("button", { type: "button", textContent: "×", attributes: { "aria-label": `Remove ${name}` } });
  const item = el("li", {}, el("img", { src: picture.address, alt: name }), button);
  button.addEventListener("click", () => {
    const place = chosen.indexOf(picture);
    chosen.splice(place, 1);
    URL.revokeObjectURL(picture.address);
    item.remove();
    (list.children[Math.min(place, chosen.length - 1)]?.querySelector("button") ?? input).focus();
    say(`${name} removed.`, false);
  });
  chosen.push(picture);
  list.append(item);
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}
