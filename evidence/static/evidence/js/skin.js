/*
 * Lets the skin live under a policy that evaluates nothing: Alpine's strict build reads
 * expressions by a parser of its own, which knows no global names, no statements and no
 * functions written in a page. What the skin's pages use of these is given here.
 */
"use strict";

(() => {
  const PARTS = ["searchForm", "searchDropdown", "searchCommand"];
  const SIDEBAR = "sidebarDesktopOpen";

  /** The storage as plain functions: where the browser refuses it, nothing is kept. */
  const kept = {
    getItem(name) {
      try {
        return window.localStorage.getItem(name);
      } catch {
        return null;
      }
    },
    setItem(name, value) {
      try {
        window.localStorage.setItem(name, value);
      } catch {
        /* The choice holds for this page only. */
      }
    },
  };

  /** What the frame of every page is made of, on the skin's own data of the theme. */
  const frame = (...options) => ({
    ...window.theme(...options),
    activeTab: "",
    localStorage: kept,
    window: {
      location: { pathname: window.location.pathname, search: window.location.search },
    },
    startFrame() {
      this.activeTab = window.getCurrentTab() || this.activeTab;
      this.$watch(SIDEBAR, (isOpen) => kept.setItem(SIDEBAR, isOpen ? "1" : "0"));
    },
  });

  /** Put expressions that the parser reads in the place of those that it does not. */
  const rewrite = () => {
    document.body.setAttribute("x-init", "startFrame()");
    for (const button of document.querySelectorAll(`[x-on\\:click*="localStorage"]`)) {
      button.setAttribute("x-on:click", `${SIDEBAR} = !${SIDEBAR}`);
    }
  };

  if (window.htmx) {
    window.htmx.config.allowEval = false;
    window.htmx.config.includeIndicatorStyles = false;
  }

  document.addEventListener("alpine:init", () => {
    window.Alpine.data("theme", frame);
    for (const name of PARTS) window.Alpine.data(name, window[name]);
    rewrite();
  });
})();
