/** The one state of the page, kept in step with the address; views are called when it changes. */

import { decodeAddress, encodeAddress, encodePart } from "./address.js";

/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {(state: ViewState, before: ViewState) => void} Listener */

/** Typing changes the address only when it pauses: browsers limit how often it may change. */
const ADDRESS_DELAY = 300;

export class StateStore {
  /** @param {(column: string) => boolean} isColumn */
  constructor(isColumn) {
    /** @private */
    this.isColumn = isColumn;
    this.state = decodeAddress(window.location.hash, isColumn);
    /** @private @type {Listener[]} */
    this.listeners = [];
    /** @private */
    this.timer = 0;
    /** @private @type {{ state: ViewState | null, text: string }} */
    this.addressEnd = { state: null, text: "" };
    /** @private */
    this.readAddress = this.readAddress.bind(this);
    window.addEventListener("popstate", this.readAddress);
    window.addEventListener("hashchange", this.readAddress);
  }

  /** @param {Listener} listener */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /**
   * Changes the state. A change that a person would go back from (`push`) is a step in the browser's history.
   * @param {Partial<ViewState>} change
   * @param {boolean} [push]
   */
  update(change, push = false) {
    const before = this.state;
    if (push) {
      this.writeAddress();
    }
    this.state = { ...before, ...change };
    if (push) {
      this.changeHistory("pushState");
    } else {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.writeAddress(), ADDRESS_DELAY);
    }
    this.notify(before);
  }

  /**
   * The address of the state with a change.
   * @param {Partial<ViewState>} change
   */
  addressOf(change) {
    return encodeAddress({ ...this.state, ...change });
  }

  /**
   * The address of a run's view: quicker than `addressOf` for many runs.
   * @param {string} reference
   */
  runAddress(reference) {
    if (this.addressEnd.state !== this.state) {
      const address = encodeAddress({ ...this.state, view: "runs" });
      this.addressEnd = { state: this.state, text: address === "#" ? "" : `&${address.slice(1)}` };
    }
    return `#run=${encodePart(reference)}${this.addressEnd.text}`;
  }

  /** Writes the state into the address, without a step in the browser's history. */
  writeAddress() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.changeHistory("replaceState");
  }

  /**
   * @private
   * @param {"pushState" | "replaceState"} method
   */
  changeHistory(method) {
    const address = encodeAddress(this.state);
    if (address === (window.location.hash || "#")) {
      return;
    }
    try {
      window.history[method](null, "", address);
    } catch {
      // Some browsers allow a page from a file no other change of its address.
      window.location.hash = address;
    }
  }

  /** @private */
  readAddress() {
    if (encodeAddress(this.state) === (window.location.hash || "#")) {
      return;
    }
    const before = this.state;
    window.clearTimeout(this.timer);
    this.state = decodeAddress(window.location.hash, this.isColumn);
    this.notify(before);
  }

  /**
   * @private
   * @param {ViewState} before
   */
  notify(before) {
    for (const listener of this.listeners) {
      listener(this.state, before);
    }
  }
}
