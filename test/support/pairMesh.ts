/** web calls orders, by HTTP at `target`; `certificates` is what mesh.yaml says of theirs. */
export const pairYaml = (target: number, certificates = ''): string => `
mesh: { trustDomain: shop.example${certificates === '' ? '' : `, certificates: { ${certificates} }`} }
namespaces:
  prod:
    services:
      web: {}
      orders:
        ports: [8080:${target}/http]
        allow: [web]
`;
