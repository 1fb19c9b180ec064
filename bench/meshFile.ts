export const TRUST_DOMAIN = 'bench.example';

/** What a save writes. */
export type Edit = {
  /** A word in a rule of the first `changed` services. */
  readonly word?: string;
  readonly changed?: number;
  /** A path that a deny rule of the whole namespace refuses. */
  readonly denied?: string;
  /** The port of every service. */
  readonly port?: number;
  /** Life of certificates. */
  readonly ttl?: string;
};

/** A mesh.yaml of `services` services; each calls the next five and is called by the five before it. */
export const meshText = (services: number, edit: Edit = {}): string => {
  const { word = 'start', changed = 0, denied = 'start', port = 8080, ttl = '24h' } = edit;
  const name = (index: number): string => `s${(index + services) % services}`;
  const entry = (index: number): readonly string[] => [
    `      ${name(index)}:`,
    `        ports: [${port}:3000/http]`,
    `        uses: [${[1, 2, 3, 4, 5].map((step) => name(index + step)).join(', ')}]`,
    '        allow:',
    `          - from: [${[1, 2, 3].map((step) => name(index - step)).join(', ')}]`,
    `            to: [GET /items/*, POST /items, GET /${index < changed ? word : 'start'}]`,
    `          - from: [${[4, 5].map((step) => name(index - step)).join(', ')}]`,
    '            to: GET /health',
  ];
  return [
    'mesh:',
    `  trustDomain: ${TRUST_DOMAIN}`,
    ...(ttl === '24h' ? [] : [`  certificates: { ttl: ${ttl} }`]),
    'namespaces:',
    '  bench:',
    '    deny:',
    `      - to: /${denied}-internal/*`,
    '    services:',
    ...Array.from({ length: services }, (_, index) => entry(index)).flat(),
    '',
  ].join('\n');
};
