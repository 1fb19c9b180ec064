/** What kind of map a path in the file leads to. */
export type Scope =
  | 'file'
  | 'mesh'
  | 'certificates'
  | 'signer'
  | 'signerFile'
  | 'trust'
  | 'bundle'
  | 'mtls'
  | 'namespace'
  | 'service'
  | 'port'
  | 'endpoint'
  | 'rule'
  | 'from'
  | 'to'
  | 'other';

const POLICIES = ['jwt', 'authorizers'] as const;

/** Keys of the contract that this version knows of and does not build yet. Move a line when it is built. */
export const NOT_BUILT_KEYS: Readonly<Record<Scope, readonly string[]>> = {
  file: ['include', ...POLICIES],
  mesh: ['include', 'locked', 'trustedHops', 'rootNamespace', ...POLICIES],
  certificates: [],
  signer: [],
  signerFile: [],
  trust: [],
  bundle: [],
  mtls: [],
  namespace: ['include', ...POLICIES],
  service: [...POLICIES],
  port: ['serverFirst'],
  endpoint: [],
  rule: ['authorizer'],
  from: ['ipBlocks', 'remoteIpBlocks', 'jwt'],
  to: ['hosts', 'headers', 'sni', 'grpc'],
  other: [],
};

/** Values of the contract that are not built yet, by the last key of their path. */
export const NOT_BUILT_VALUES: readonly { readonly scope: Scope; readonly key: string; readonly value: string }[] = [
  { scope: 'rule', key: 'mode', value: 'shadow' },
  { scope: 'mtls', key: 'then', value: 'hold' },
];

/** Which kind of map stands at this path of keys and indices. */
export const scopeOf = (path: readonly PropertyKey[]): Scope => {
  const [first, ...rest] = path;
  if (first === undefined) return 'file';
  if (first === 'mesh') return rest.length === 0 ? 'mesh' : inner(rest);
  if (first === 'services') return rest.length === 1 ? 'service' : rest.length === 0 ? 'other' : inner(rest.slice(1));
  if (first !== 'namespaces' || rest.length === 0) return 'other';
  if (rest.length === 1) return 'namespace';
  return rest[1] === 'services' ? scopeOf(rest.slice(1)) : inner(rest.slice(1));
};

const certificates = ([key, ...rest]: readonly PropertyKey[]): Scope => {
  if (key === undefined) return 'certificates';
  if (key !== 'signer') return 'other';
  return rest.length === 0 ? 'signer' : rest[0] === 'file' ? 'signerFile' : 'other';
};

const inner = ([key, ...rest]: readonly PropertyKey[]): Scope => {
  if (key === 'certificates') return certificates(rest);
  if (key === 'trust' && rest.length === 1) return 'trust';
  if (key === 'trust' && rest.length === 2 && rest[1] === 'bundle') return 'bundle';
  if (key === 'mtls' && rest.length === 0) return 'mtls';
  if (key === 'ports' && rest.length >= 1) return rest.length === 1 ? 'port' : inner(rest.slice(1));
  if (key === 'endpoints' && rest.length === 1) return 'endpoint';
  if (key !== 'allow' && key !== 'deny') return 'other';
  if (rest.length === 1) return 'rule';
  return rest[1] === 'from' || rest[1] === 'to' ? rest[1] : 'other';
};
