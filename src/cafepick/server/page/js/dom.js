// Elements without markup: what users and servers say is only ever text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {object} props attributes; `on` holds listeners, `data` the dataset; false and null leave an attribute out
 * @param {...(Node|string|null|false|Array)} children
 */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name === "value" || name === "checked") {
      element[name] = value;
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...flat(children));
  return element;
}

const flat = (children) => children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** Set a class where a condition holds. */
export function toggle(element, name, holds) {
  element.classList.toggle(name, Boolean(holds));
}

/** Say something to those who listen to the page; the same words twice are said twice. */
export function announce(words) {
  const place = document.getElementById("said");
  place.textContent = "";
  setTimeout(() => { place.textContent = words; }, 60);
}

/** Show the present view anew. */
export const refresh = () => window.dispatchEvent(new HashChangeEvent("hashchange"));

let numbered = 0;

/** A fresh id, to tie labels and descriptions to what they speak of. */
export function uid(stem) {
  numbered += 1;
  return `${stem}-${numbered}`;
}

/** Let something happen once, a while after the last call. */
export function settled(action, milliseconds) {
  let timer = 0;
  const later = (...words) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...words), milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
