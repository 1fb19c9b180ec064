export const TRUST_DOMAIN = 'bench.example';

/** What one policy change writes: a path into the rule of one service, or into a deny rule of the whole namespace. */
export type Edit = { readonly one?: string; readonly all?: string };

/** A mesh.yaml of `services` services; each calls the next five and is called by the five before it. */
export const meshText = (services: number, { one = 'start', all = 'start' }: Edit = {}): string => {
  const name = (index: number): string => `s${(index + services) % services}`;
  const entry = (index: number): readonly string[] => [
    `      ${name(index)}:`,
    '        ports: [8080:3000/http]',
    `        uses: [${[1, 2, 3, 4, 5].map((step) => name(index + step)).join(', ')}]`,
    '        allow:',
    `          - from: [${[1, 2, 3].map((step) => name(index - step)).join(', ')}]`,
    `            to: [GET /items/*, POST /items, GET /${index === 0 ? one : 'start'}]`,
    `          - from: [${[4, 5].map((step) => name(index - step)).join(', ')}]`,
    '            to: GET /health',
  ];
  return [
    'mesh:',
    `  trustDomain: ${TRUST_DOMAIN}`,
    'namespaces:',
    '  bench:',
    '    deny:',
    `      - to: /${all}-internal/*`,
    '    services:',
    ...Array.from({ length: services }, (_, index) => entry(index)).flat(),
    '',
  ].join('\n');
};
