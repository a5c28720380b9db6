/** Starts the page: reads the data, makes the frame, shows the view that the address names. */

import { createApp, listenToLinks, stateLink } from "./app.js";
import { createCompareView } from "./compare.js";
import { readReport } from "./data.js";
import { element, expandableText } from "./dom.js";
import { createHistoryView } from "./history.js";
import { createRunView, runTitle } from "./run.js";
import { createRunsView } from "./runs.js";
import { createThemeButton, watchPrinting } from "./theme.js";
import { formatCount, shortText } from "./format.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */
/** @typedef {import("./address.js").ViewName} ViewName */
/** @typedef {import("./address.js").ViewState} ViewState */

/** @type {{ [view in ViewName]: (app: App) => View }} */
const VIEW_MAKERS = { runs: createRunsView, compare: createCompareView, run: createRunView, history: createHistoryView };
const VIEW_TITLES = { runs: "Runs", compare: "Compare", run: "Run", history: "History" };

/**
 * @param {App} app
 * @returns {(state: ViewState) => void} marks the present view
 */
function createNavigation(app) {
  const ticked = element("span", { class: "count" });
  const links = /** @type {[ViewName, HTMLAnchorElement][]} */ ([
    ["runs", stateLink(app, { view: "runs" }, "Runs")],
    ["compare", stateLink(app, { view: "compare" }, "Compare", ticked)],
    ["history", stateLink(app, { view: "history" }, "History")],
  ]);
  document.getElementById("page-nav")?.replaceChildren(...links.map(([, link]) => link));
  return (state) => {
    ticked.textContent = state.ticks.length === 0 ? "" : ` ${formatCount(state.ticks.length)}`;
    for (const [view, link] of links) {
      const isHere = view === state.view || (view === "runs" && state.view === "run");
      isHere ? link.setAttribute("aria-current", view === state.view ? "page" : "true") : link.removeAttribute("aria-current");
    }
  };
}

/** @param {App} app */
function fillFrame(app) {
  const { title, generator, notes, request } = app.report;
  const heading = document.getElementById("page-title");
  heading?.replaceChildren(element("bdi", {}, shortText(title, 80)));
  document.getElementById("page-tools")?.append(createThemeButton());
  const asked = [request.experiment !== null && `experiment ${request.experiment}`, request.rev !== null && `revision ${request.rev}`, request.runs.length > 0 && request.runs.join(", ")].filter(Boolean);
  const scope = asked.length === 0 ? null : element("span", {}, "Only ", expandableText(asked.join("; ")), ". ");
  document.getElementById("page-footer")?.append(element("p", {}, scope, `Made by ${generator}. This file holds all it shows: it loads nothing and sends nothing.`));
  const main = document.getElementById("main");
  if (notes.length > 0) {
    main?.append(element("div", { class: "notice", role: "note", "aria-label": "What the report leaves out" }, ...notes.map((note) => element("p", {}, expandableText(note)))));
  }
  document.getElementById("skip-link")?.addEventListener("click", (event) => {
    // The address holds the state of the view, not a place in the page.
    event.preventDefault();
    main?.focus();
  });
}

/** @param {App} app */
function startViews(app) {
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const markView = createNavigation(app);
  /** @type {{ [view: string]: View }} */
  const views = {};
  /** @type {View | null} */
  let current = null;
  const show = (/** @type {ViewState} */ state, /** @type {ViewState | null} */ before) => {
    const view = (views[state.view] ??= VIEW_MAKERS[state.view](app));
    const isEntered = view !== current || (state.view === "run" && state.run !== before?.run);
    if (view !== current) {
      current?.element.remove();
      main.append(view.element);
    }
    view.update(state, view === current ? before : null);
    current = view;
    markView(state);
    const title = state.view === "run" ? runTitle(app, state) : VIEW_TITLES[state.view];
    document.title = `${title} · ${shortText(app.report.title, 60)}`;
    if (isEntered && before !== null) {
      window.scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  };
  app.store.subscribe(show);
  show(app.store.state, null);
  watchPrinting((printing) => {
    app.printing = printing;
    if (printing) {
      // Paper has all rows of a table that shows some at first.
      document.querySelectorAll("button[data-print-all]").forEach((button) => /** @type {HTMLButtonElement} */ (button).click());
    }
    current?.update(app.store.state, app.store.state);
  });
}

/**
 * Searching needs all texts prepared: done when the browser has nothing else to do.
 * @param {App} app
 */
function prepareLater(app) {
  const whenIdle = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => window.setTimeout(work, 200));
  whenIdle(() => app.filter.prepareSearch());
}

function startPage() {
  const app = createApp(readReport());
  listenToLinks(app.store);
  fillFrame(app);
  startViews(app);
  // The layout counts: without it nothing can be seen or clicked.
  void document.body.offsetHeight;
  performance.mark("report-interactive");
  prepareLater(app);
}

startPage();
