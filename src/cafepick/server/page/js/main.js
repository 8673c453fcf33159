// Starts the page, and shows the view that the address names.

import { announce, fill, h } from "./dom.js";
import { config, get, onReach, tell } from "./api.js";
import { checkView } from "./check.js";
import { historyView } from "./history.js";
import { icon } from "./icons.js";
import { keep, kept } from "./kept.js";
import { reportView } from "./models.js";
import { empty, failure } from "./parts.js";
import { resultView } from "./result.js";
import { teachView } from "./teach.js";
import { trainingView } from "./training.js";
import { LANGUAGES, speak, spoken, t } from "./words.js";

// A view is given its place and what its address says. It returns {title, gone}; gone() ends what it began.
const VIEWS = [
  [/^#?\/?$/, checkView, "check"],
  [/^#\/check$/, checkView, "check"],
  [/^#\/check\/([0-9a-f]{32})$/, resultView, "check"],
  [/^#\/teach(?:\/([0-9a-f]{32}))?$/, teachView, "teach"],
  [/^#\/training\/([0-9a-f]{32})$/, trainingView, "teach"],
  [/^#\/model\/([0-9a-f]{32})$/, reportView, "teach"],
  [/^#\/history(?:\?(.*))?$/, historyView, "history"],
];
const TABS = ["check", "teach", "history"];
const THEMES = { auto: "auto", light: "sun", dark: "moon" };

const main = document.getElementById("main");
let shown = null;
let turn = 0;

async function show({ quiet = false } = {}) {
  turn += 1;
  const mine = turn;
  shown?.gone?.();
  shown = null;
  const [found, view, tab] = match(location.hash);
  drawTabs(tab);
  const place = h("div", { class: "view" });
  fill(main, place);
  if (!quiet) window.scrollTo(0, 0);
  let made;
  try {
    made = view ? await view(place, ...found.slice(1)) : missing(place);
  } catch (error) {
    if (mine !== turn) return;
    fill(place, failure(error, () => show()));
    made = { title: t("error"), isLost: error.code === "offline" };
  }
  if (mine !== turn) {
    made.gone?.();
    return;
  }
  shown = made;
  document.title = `${made.title} · cafepick`;
  if (quiet) return;
  announce(made.title);
  const heading = place.querySelector("h1");
  if (heading && hasMoved) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}

function match(hash) {
  for (const [pattern, view, tab] of VIEWS) {
    const found = pattern.exec(hash);
    if (found) return [found, view, tab];
  }
  return [[], null, null];
}

function missing(place) {
  fill(place, h("h1", { class: "unseen" }, t("not_found")), empty(t("not_found"), t("not_found.help")));
  return { title: t("not_found") };
}

function drawTabs(current) {
  document.getElementById("skip").textContent = t("skip");
  const tabs = document.getElementById("tabs");
  tabs.setAttribute("aria-label", t("nav"));
  fill(tabs, TABS.map((tab) => h("a", { href: `#/${tab}`, "aria-current": tab === current ? "page" : null }, icon(tab), h("span", {}, t(tab)))));
}

function drawTools() {
  const other = spoken() === "en" ? "ja" : "en";
  const language = h("button", { type: "button", class: "tool", lang: other, on: { click: () => change(() => speak(other)) } }, LANGUAGES[other]);
  const theme = kept("theme", "auto");
  const words = t("theme", { theme: t(`theme.${theme}`) });
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(theme) + 1) % names.length];
  const colours = h("button", {
    type: "button", class: "tool", "aria-label": words, title: words, on: { click: () => { dress(next); drawTools(); announce(t("theme", { theme: t(`theme.${next}`) })); } },
  }, icon(THEMES[theme] ?? "auto"));
  fill(document.getElementById("tools"), language, colours);
  config().then(({ token_needed: needed }) => {
    if (needed && !document.getElementById("leave")) {
      document.getElementById("tools").append(h("form", { method: "post", action: "/logout", id: "leave" }, h("button", { class: "tool" }, t("sign_out"))));
    }
  }, () => {});
}

function dress(theme) {
  keep("theme", theme === "auto" ? null : theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function change(action) {
  action();
  drawTools();
  show();
}

// Whether the server answers: said once when it stops, asked until it does again.
let asking = 0;
onReach((reached) => {
  const place = document.getElementById("offline");
  if (!reached && !asking) {
    fill(place, icon("warn"), h("span", {}, t("offline")));
    place.hidden = false;
    asking = setInterval(() => { get("/health").catch(() => {}); }, 3000);
  } else if (reached && asking) {
    clearInterval(asking);
    asking = 0;
    place.hidden = true;
    announce(t("online"));
    if (shown?.isLost) show();
  }
});

let hasMoved = false;
window.addEventListener("hashchange", () => {
  hasMoved = true;
  show();
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // its address would be taken for a view
  main.focus();
});
window.addEventListener("offline", () => tell(false));

const place = sessionStorage.getItem("cafepick.place");
sessionStorage.removeItem("cafepick.place");
if (place && !location.hash) history.replaceState(null, "", place);
drawTools();
show();
