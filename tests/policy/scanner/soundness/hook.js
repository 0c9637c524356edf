// Runs programs read from standard input, one JSON string a line, each in a context of
// its own, and writes a JSON line for each: what it loaded, reached and evaluated.
// Nothing is really loaded: require, module and process are stand-ins that record.
"use strict";
const vm = require("vm");
const readline = require("readline");

const FORBIDDEN = /^(?:node:)?(?:vm|worker_threads|cluster|dgram|net|tls|inspector|perf_hooks|v8|repl|child_process)(?:\/|$)/;
// Made inside of the context, so that nothing of the outside can be reached from it.
const SETTING = `(function (report) {
  const hit = what => { report(String(what)); };
  globalThis.__hit = what => { hit("evaluated " + what); return 1; };
  const load = function require(name) {
    if (typeof name !== "string") throw new TypeError("a name");
    hit("load " + name);
    return name.replace("node:", "") === "process" ? process : { m: "fs", f() { return "fs"; } };
  };
  class Module {
    constructor(id) { this.id = id; this.exports = {}; this.loaded = false; this.children = []; this.paths = []; }
    require(name) { return load(name); }
    _compile(text) { hit("evaluated " + text); }
    load() { hit("reached load"); }
    static _load(name) { return load(name); }
  }
  Module.Module = Module;
  Module._extensions = { ".node"() { hit("reached dlopen"); }, ".js"() { hit("evaluated a file"); } };
  const parent = new Module("parent");
  const module = new Module(".");
  module.parent = parent;
  module.children.push(new Module("child"));
  load.main = module;
  load.cache = { x: module };
  load.resolve = name => "/" + name;
  load.extensions = Module._extensions;
  class Emitter { on(n, f) { this.f = f; Promise.resolve().then(() => f.call(this)); return this; } once(n, f) { return this.on(n, f); } }
  class Process extends Emitter {
    binding() { hit("reached binding"); return {}; }
    _linkedBinding() { hit("reached binding"); return {}; }
    dlopen() { hit("reached dlopen"); }
    getBuiltinModule(name) { return load(name); }
    nextTick(f, ...rest) { Promise.resolve().then(() => f(...rest)); }
    cwd() { return "/"; }
  }
  const process = new Process();
  Object.assign(process, { env: { HOME: "fs" }, argv: ["node", "fs"], platform: "linux", mainModule: module, exitCode: 0 });
  globalThis.process = process;
  globalThis.global = globalThis;
  globalThis.console = { log() {}, error() {} };
  globalThis.setTimeout = globalThis.setImmediate = (f, ...rest) => {
    Promise.resolve().then(() => typeof f === "function" ? f(...rest.filter(x => typeof x !== "number")) : 0);
  };
  globalThis.queueMicrotask = f => { Promise.resolve().then(f); };
  return { load, module };
})`;

function run(text) {
  const hits = [];
  const context = vm.createContext(Object.create(null));
  const importModuleDynamically = name => {
    hits.push("load " + name);
    throw new Error("not here");
  };
  let failed = "";
  try {
    const made = vm.runInContext(SETTING, context)(what => hits.push(what));
    context.__load = made.load;
    context.__module = made.module;
    const wrapped =
      "(function(l,m){delete globalThis.__load;delete globalThis.__module;return (function(exports,require,module,__filename,__dirname){" +
      text +
      "\n}).call(m.exports,m.exports,l,m,'/a/b.js','/a')})(globalThis.__load,globalThis.__module)";
    new vm.Script(wrapped, { importModuleDynamically }).runInContext(context, { timeout: 200 });
  } catch (error) {
    failed = String((error && error.message) || error).slice(0, 100);
  }
  return { hits, failed };
}

process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let result;
    try {
      result = run(JSON.parse(line));
      await new Promise(setImmediate);
    } catch (error) {
      result = { hits: [], failed: "the hook failed: " + error };
    }
    const bad = result.hits.filter(
      hit => !hit.startsWith("load ") || FORBIDDEN.test(hit.slice(5).trim())
    );
    process.stdout.write(JSON.stringify({ bad, failed: result.failed }) + "\n");
  }
})();
