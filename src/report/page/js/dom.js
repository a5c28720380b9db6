/**
 * Elements made by calls, never of markup: a text can only become text. Attributes that run something or carry styles are refused.
 */

import { shortText, visibleText, formatCount } from "./format.js";

/** @typedef {Node | string | null | false} Child */
/** @typedef {{ [name: string]: string | number | boolean | null | undefined }} Attributes */

/** Texts longer than this are cut, with a button that shows the rest. */
const LONG_TEXT = 300;
const SHOWN_AT_ONCE = 20000;

let uniqueIds = 0;

/**
 * An id that no other element of the page has.
 * @param {string} prefix
 * @returns {string}
 */
export function uniqueId(prefix) {
  uniqueIds += 1;
  return `${prefix}-${uniqueIds}`;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes] `false`, `null` and `undefined` leave one out
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) {
      continue;
    }
    if (name === "style" || name.startsWith("on")) {
      throw new Error(`attribute ${name} is not allowed`);
    }
    made.setAttribute(name, value === true ? "" : String(value));
  }
  appendChildren(made, children);
  return made;
}

/**
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svgElement(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined && name !== "style" && !name.startsWith("on")) {
      made.setAttribute(name, String(value));
    }
  }
  appendChildren(made, children);
  return made;
}

/**
 * @param {Element} parent
 * @param {Child[]} children
 */
function appendChildren(parent, children) {
  for (const child of children) {
    if (child !== null && child !== false) {
      parent.append(child);
    }
  }
}

/**
 * A stranger's text, apart from the direction of the text around it; cut to `limit`.
 * @param {string} text
 * @param {number} [limit]
 * @returns {HTMLElement}
 */
export function isolatedText(text, limit = LONG_TEXT) {
  return element("bdi", {}, shortText(text, limit));
}

/**
 * A stranger's text of any length: what is too long is cut, and a button shows the rest, part by part.
 * @param {string} text
 * @param {boolean} [withCopy] whether a long text has a button that copies it
 * @returns {HTMLElement}
 */
export function expandableText(text, withCopy = true) {
  if (text.length <= LONG_TEXT) {
    return element("bdi", { class: "stranger" }, visibleText(text));
  }
  const shown = element("bdi", { class: "stranger" }, shortText(text, LONG_TEXT));
  const more = element("button", { type: "button", class: "quiet" }, "Show more");
  let end = LONG_TEXT;
  more.addEventListener("click", () => {
    end = Math.min(end + SHOWN_AT_ONCE, text.length);
    shown.textContent = visibleText(text.slice(0, end));
    more.textContent = `Show more (${formatCount(text.length - end)} characters left)`;
    more.hidden = end >= text.length;
  });
  return element("span", {}, element("span", { class: "long-text", role: "group", tabindex: 0, "aria-label": "Long text" }, shown), " ", more, " ", withCopy && copyButton(text, "this text"));
}

/**
 * @param {string} label
 * @param {() => void} action
 * @param {Attributes} [attributes]
 * @returns {HTMLButtonElement}
 */
export function actionButton(label, action, attributes = {}) {
  const button = element("button", { type: "button", ...attributes }, label);
  button.addEventListener("click", action);
  return button;
}

/**
 * A checkbox with its label around it.
 * @param {Child} label
 * @param {boolean} checked
 * @param {(checked: boolean) => void} change
 * @returns {HTMLLabelElement}
 */
export function labelledCheckbox(label, checked, change) {
  const box = element("input", { type: "checkbox" });
  box.checked = checked;
  box.addEventListener("change", () => change(box.checked));
  return element("label", { class: "check" }, box, " ", label);
}

/**
 * A select with its label.
 * @param {string} label
 * @param {{ value: string, title: string, group?: string }[]} options
 * @param {string} chosen
 * @param {(value: string) => void} change
 * @returns {HTMLElement}
 */
export function labelledSelect(label, options, chosen, change) {
  const select = element("select", { id: uniqueId("select") });
  /** @type {Map<string, HTMLElement>} */
  const groups = new Map();
  for (const option of options) {
    /** @type {HTMLElement} */
    let parent = select;
    if (option.group !== undefined) {
      parent = groups.get(option.group) ?? element("optgroup", { label: option.group });
      groups.set(option.group, parent);
      select.append(parent);
    }
    parent.append(element("option", { value: option.value }, shortText(option.title, 60)));
  }
  select.value = chosen;
  select.addEventListener("change", () => change(select.value));
  return element("span", { class: "field" }, element("label", { for: select.id }, label), select);
}

/**
 * A button that copies the text. A page from a file may have no clipboard: then the text is selected in a field, to copy by hand.
 * @param {string} text
 * @param {string} name what is copied, for a screen reader
 * @returns {HTMLElement}
 */
export function copyButton(text, name) {
  const button = element("button", { type: "button", class: "quiet" }, "Copy", element("span", { class: "visually-hidden" }, ` ${name}`));
  const holder = element("span", { class: "copy" }, button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce(`Copied ${name}.`);
      flashLabel(button, "Copied");
    } catch {
      offerSelection(holder, text, name);
    }
  });
  return holder;
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} label
 */
function flashLabel(button, label) {
  const text = button.firstChild;
  if (text) {
    text.textContent = label;
    window.setTimeout(() => (text.textContent = "Copy"), 1500);
  }
}

/**
 * @param {HTMLElement} holder
 * @param {string} text
 * @param {string} name
 */
function offerSelection(holder, text, name) {
  const field = element("textarea", { class: "copy-field", readonly: true, rows: 2, "aria-label": `Text to copy: ${name}` });
  field.value = text;
  holder.querySelector("textarea")?.remove();
  holder.append(field);
  field.focus();
  field.select();
  announce(`The browser does not let this page copy. The text is selected: press Ctrl+C.`);
}

/**
 * A region that scrolls on its own, for what is wider than the page; focusable, so that keys can scroll it.
 * @param {string} name
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function scrollRegion(name, ...children) {
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": name }, ...children);
}

/**
 * A disclosure whose content is made when it is first opened.
 * @param {string} summary
 * @param {() => Child} make
 * @param {string} [className]
 * @returns {HTMLDetailsElement}
 */
export function lazyDetails(summary, make, className = "") {
  const details = element("details", { class: className || false }, element("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) {
      appendChildren(details, [make()]);
    }
  });
  return details;
}

/**
 * Tells a screen reader.
 * @param {string} text
 */
export function announce(text) {
  const region = document.getElementById("live-region");
  if (region) {
    region.textContent = text;
  }
}
