/** Light or dark: as the system says, until someone chooses. Paper is always light. */

import { redrawCharts } from "./charts.js";
import { actionButton } from "./dom.js";

const THEME_KEY = "capture-hook-report-theme";

/** @returns {"light" | "dark" | null} */
function storedTheme() {
  try {
    const stored = window.localStorage.getItem(THEME_KEY);
    return stored === "light" || stored === "dark" ? stored : null;
  } catch {
    return null;
  }
}

/** @param {"light" | "dark"} theme */
function storeTheme(theme) {
  try {
    window.localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Without storage the choice holds until the page is left.
  }
}

/**
 * A button that turns dark mode on and off.
 * @returns {HTMLButtonElement}
 */
export function createThemeButton() {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = storedTheme();
  const button = actionButton("Dark mode", () => {
    chosen = isDark() ? "light" : "dark";
    storeTheme(chosen);
    apply();
  });
  const isDark = () => (chosen === null ? system.matches : chosen === "dark");
  const apply = () => {
    document.documentElement.setAttribute("data-theme", isDark() ? "dark" : "light");
    button.setAttribute("aria-pressed", String(isDark()));
    redrawCharts();
  };
  system.addEventListener("change", apply);
  apply();
  return button;
}

/**
 * Calls `change` around printing, with the page in light colours.
 * @param {(printing: boolean) => void} change
 */
export function watchPrinting(change) {
  let theme = "light";
  let printing = false;
  const set = (/** @type {boolean} */ now) => {
    if (now === printing) {
      return;
    }
    printing = now;
    if (now) {
      theme = document.documentElement.getAttribute("data-theme") ?? "light";
    }
    document.documentElement.setAttribute("data-theme", now ? "light" : theme);
    redrawCharts();
    change(now);
  };
  window.addEventListener("beforeprint", () => set(true));
  window.addEventListener("afterprint", () => set(false));
  window.matchMedia("print").addEventListener("change", (event) => set(event.matches));
}
