// History: every check, found again by lot, notes, photo, model, day; the trend per lot; what can be taken out.

import { fill, h, settled } from "./dom.js";
import { address, ask, get } from "./api.js";
import { icon } from "./icons.js";
import { button, empty, failure, field, link, saveAs, select, waiting } from "./parts.js";
import { checkRow } from "./rows.js";
import { trend } from "./trend.js";
import { t } from "./words.js";

const AT_ONCE = 30;
const FILTERS = ["q", "lot", "model", "reviewed", "since", "until"];

export async function historyView(place, query = "") {
  const stop = new AbortController();
  let turn = 0;
  const [{ lots }, { models }] = await Promise.all([get("/lots"), get("/models")]);
  const chosen = Object.fromEntries(new URLSearchParams(query));
  const chart = trend(lots, (lot) => set("lot", lot));
  const count = h("p", { class: "total", role: "status" });
  const rows = h("ul", { class: "rows" });
  const after = h("div", {});
  const out = exporter(() => chosen);
  const form = filters({ chosen, lots, models, onset: set });
  fill(place, h("div", { class: "lead" }, h("h1", {}, t("history.title")), h("p", {}, t("history.lead"))),
    chart.element, form.element, count, rows, after, out.element);
  load();

  function set(name, value) {
    if (value === null || (value === "" && name !== "lot")) delete chosen[name];
    else chosen[name] = value;
    const words = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", `#/history${words ? `?${words}` : ""}`);
    form.tell();
    load();
  }

  async function load() {
    turn += 1;
    const mine = turn;
    chart.choose(chosen.lot);
    out.tell();
    if (!rows.childElementCount) fill(after, waiting());
    try {
      const found = await page(0);
      if (mine !== turn) return;
      const { total, checks } = found;
      count.textContent = total ? t("history.count", { n: total }) : "";
      fill(rows, checks.map(checkRow));
      if (total) more(mine, total, checks.length);
      else if (Object.keys(chosen).length) fill(after, empty(t("history.nothing"), t("history.nothing.help"), button(t("history.clear"), { on: clear })));
      else fill(after, empty(t("history.empty"), t("history.empty.help"), link(t("check.title"), { href: "#/check", kind: "primary", icon: "check" })));
    } catch (error) {
      if (error.code !== "cancelled") fill(after, failure(error, load));
    }
  }

  function more(mine, total, shown) {
    if (shown >= total) {
      fill(after);
      return;
    }
    fill(after, button(t("more"), { kind: "wide", on: async () => {
      try {
        const { checks } = await page(shown);
        if (mine !== turn) return;
        rows.append(...checks.map(checkRow));
        more(mine, total, shown + checks.length);
      } catch (error) {
        fill(after, failure(error));
      }
    } }));
  }

  // An empty lot means checks without one, which an address of the API cannot leave out.
  function page(offset) {
    const words = new URLSearchParams(asked(chosen));
    words.set("limit", AT_ONCE);
    words.set("offset", offset);
    return get(`/checks?${words}`, {}, stop.signal);
  }

  function clear() {
    for (const name of FILTERS) delete chosen[name];
    set("q", null);
  }

  return {
    title: t("history.title"),
    gone: () => {
      stop.abort();
      chart.gone();
    },
  };
}

/** The filters as the API takes them: days become moments. */
function asked(chosen) {
  const words = { ...chosen };
  if (words.since) words.since = new Date(`${words.since}T00:00:00`).toISOString();
  if (words.until) words.until = new Date(`${words.until}T23:59:59.999`).toISOString();
  return words;
}

function filters({ chosen, lots, models, onset }) {
  const later = settled(() => onset("q", search.value), 250);
  const search = h("input", { type: "search", maxlength: 200, placeholder: t("history.search"), "aria-label": t("history.search"), on: { input: later } });
  const named = [...lots].reverse().map(({ lot }) => [`=${lot}`, lot || t("history.lot.none")]);
  const lot = select([["", t("history.lot.all")], ...named], "", (value) => onset("lot", value ? value.slice(1) : null));
  const model = select([["", t("history.model.all")], ...models.map((one) => [one.id, one.name])], "", (value) => onset("model", value));
  const reviewed = select(["", "true", "false"].map((key) => [key, t(`history.reviewed.${key || "all"}`)]), "", (value) => onset("reviewed", value));
  const since = h("input", { type: "date", on: { change: () => onset("since", since.value) } });
  const until = h("input", { type: "date", on: { change: () => onset("until", until.value) } });
  const isRoomy = window.matchMedia("(min-width: 56rem)").matches || FILTERS.slice(1).some((name) => name in chosen);
  const more = h("details", { open: isRoomy }, h("summary", {}, t("history.filters")), h("div", { class: "filter-fields" },
    field(t("history.lot"), lot), field(t("history.model"), model), field(t("history.reviewed"), reviewed), field(t("history.since"), since), field(t("history.until"), until)));
  const element = h("form", { class: "filters", role: "search", on: { submit: (event) => event.preventDefault() } },
    h("div", { class: "search" }, icon("search"), search), more);

  function tell() {
    if (document.activeElement !== search) search.value = chosen.q ?? "";
    lot.value = chosen.lot === undefined ? "" : `=${chosen.lot}`;
    model.value = chosen.model ?? "";
    reviewed.value = chosen.reviewed ?? "";
    since.value = chosen.since ?? "";
    until.value = chosen.until ?? "";
  }
  tell();
  return { element, tell };
}

/** Tables, and what operators said, as files. */
function exporter(chosenNow) {
  const problem = h("div", {});
  const table = link(t("history.csv"), { icon: "table", href: "#", download: "checks.csv" });
  const zip = (scope) => async () => {
    fill(problem);
    try {
      const { model, lot } = chosenNow();
      const words = new URLSearchParams({ scope, ...(model && { model }), ...(lot !== undefined && { lot }) });
      saveAs(await ask("GET", `/corrections.zip?${words}`, { raw: true }), "corrections.zip");
    } catch (error) {
      fill(problem, failure(error));
    }
  };
  const commands = ["unzip corrections.zip -d lot", "cafepick calibrate lot/annotations.json --model beans.cafepick", "cafepick evaluate lot/annotations.json --model beans.cafepick --out result"];
  const element = h("section", { class: "card export" }, h("h2", {}, t("history.export")),
    h("div", { class: "row" }, table, button(t("history.zip"), { icon: "download", on: zip("reviewed") }), button(t("history.zip.corrected"), { icon: "download", on: zip("corrected") })),
    problem, h("p", { class: "hint" }, t("history.zip.hint")), h("pre", { tabindex: "0" }, commands.join("\n")));

  function tell() {
    const words = new URLSearchParams(asked(chosenNow())).toString();
    table.href = `${address("/checks.csv")}${words ? `?${words}` : ""}`;
  }

  return { element, tell };
}
