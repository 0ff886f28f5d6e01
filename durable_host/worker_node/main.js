// Entry point of the worker process. Every Node.js can parse it, so that an old version prints a message instead of a
// syntax error.
'use strict';

var TOO_OLD = 78;
var OLDEST = 18;

if (parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write('Node.js ' + process.versions.node + ' is too old, ' + OLDEST + ' or later is needed\n');
  process.exit(TOO_OLD);
} else {
  require('./process').run();
}
