// A file imports its own floor and the ones below (docs/architecture.md). Checked by scripts/floors.ts.
const FLOORS = [
  ['^src/(lib|gen)/'],
  ['^src/spiffe/'],
  ['^src/features/[^/]+/spec'],
  ['^src/model/'],
  // The rest of a room: plan.ts and what it shares with its emitter.
  ['^src/features/[^/]+/(?!spec|envoy)'],
  ['^src/(config|plan|decide)/'],
  ['^src/envoy/'],
  ['^src/features/[^/]+/envoy'],
  ['^src/emit/'],
  ['^src/(xds|ca|store)/'],
  ['^src/control/'],
  ['^src/admin/'],
  ['^src/app/'],
  ['^src/cli/'],
].flat();

/** The folders of one floor that know nothing of each other. */
const STRANGERS = [
  ['config', 'plan', 'decide'],
  ['xds', 'ca', 'store'],
];

const climbs = FLOORS.slice(0, -1).map((floor, index) => ({
  name: `floor-${index}-imports-only-below`,
  severity: 'error',
  from: { path: floor },
  to: { path: FLOORS.slice(index + 1) },
}));

const meetings = STRANGERS.flatMap((folders) =>
  folders.map((folder) => ({
    name: `${folder}-is-a-stranger-to-its-floor`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: `^src/(${folders.filter((other) => other !== folder).join('|')})/` },
  })),
);

module.exports = {
  forbidden: [
    ...climbs,
    ...meetings,
    { name: 'no-cycles', severity: 'error', from: { pathNot: '^src/gen/' }, to: { circular: true } },
    {
      name: 'rooms-are-private',
      severity: 'error',
      from: { path: '^src/features/([^/]+)/' },
      to: { path: '^src/features/', pathNot: ['^src/features/$1/', '^src/features/[^/]+/spec'] },
    },
    {
      name: 'every-file-has-a-floor',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: FLOORS },
    },
    { name: 'every-importing-file-has-a-floor', severity: 'error', from: { path: '^src/', pathNot: FLOORS }, to: {} },
    {
      name: 'no-input-or-output-below-floor-9',
      severity: 'error',
      // showJson.ts reads the descriptor image of src/gen/, as an import of data would.
      from: { path: FLOORS.slice(0, 9), pathNot: ['^src/gen/', '^src/emit/showJson.ts$'] },
      to: { path: '^(node:)?(child_process|cluster|dgram|dns|fs|http|http2|https|os|tls|worker_threads)(/|$)' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|envoy)/' },
    },
  ],
  options: {
    // TypeScript 7 has no JavaScript API for it to parse with.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^src/gen/'] },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
