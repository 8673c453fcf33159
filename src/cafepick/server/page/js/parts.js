// Small things that several views share.

import { h, uid } from "./dom.js";
import { icon } from "./icons.js";
import { details, spoken, t, trouble } from "./words.js";

/** A button with an icon and words. */
export function button(words, { icon: name, kind = "", on, ...props } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, on: on && { click: on }, ...props }, name && icon(name), h("span", {}, words));
}

/** A link that looks like a button. */
export function link(words, { icon: name, kind = "", href, ...props } = {}) {
  return h("a", { class: `button ${kind}`, href, ...props }, name && icon(name), h("span", {}, words));
}

/** A labelled field. `input` is an element; hint and label are tied to it. */
export function field(label, input, hint) {
  input.id ||= uid("field");
  const help = hint && h("p", { class: "hint", id: `${input.id}-hint` }, hint);
  if (help) input.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, help);
}

export function select(options, value, onchange) {
  const made = h("select", { on: { change: () => onchange?.(made.value) } },
    options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
  return made;
}

/** What went wrong, where it went wrong. */
export function failure(error, retry) {
  return h("div", { class: "failure", role: "alert" }, icon("warn"),
    h("div", {}, h("p", { class: "what" }, t("error")), said(error),
      retry && button(t("again"), { on: retry })));
}

/** What went wrong, in words of the page; in other languages than English what the server said stands below. */
export function said(error) {
  const more = spoken() !== "en" && details(error);
  return [h("p", {}, trouble(error)), more && h("p", { class: "hint", lang: "en" }, more)];
}

/** Ask before something is lost. Resolves to true or false. */
export function sure(question, words) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-label": words });
    const answer = (value) => () => { dialog.close(value); };
    dialog.append(h("p", {}, question), h("div", { class: "row end" },
      button(t("back"), { on: answer("") }), button(words, { kind: "danger", on: answer("yes") })));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ask for a line of text. Resolves to it, or to null. */
export function askFor(label, value) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", maxlength: 200, required: true, value });
    const form = h("form", { method: "dialog" }, field(label, input),
      h("div", { class: "row end" }, button(t("cancel"), { on: () => dialog.close("") }),
        h("button", { class: "button primary", value: "yes" }, t("save"))));
    const dialog = h("dialog", { class: "ask", "aria-label": label }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" && input.value.trim() ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  });
}

export const waiting = () => h("p", { class: "waiting" }, t("loading"));

/** Something to look at where there is nothing else yet. */
export function empty(title, help, ...more) {
  return h("div", { class: "empty" }, icon("teach"), h("h2", {}, title), h("p", {}, help), h("div", { class: "row" }, more));
}

/** Save a blob as a file. */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = h("a", { href: url, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
