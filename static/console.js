// What the pages do better with a script than without; all of it works without.
"use strict";
