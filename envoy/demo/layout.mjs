// Where everything of the demo stands. The names and ports of the services are those of mesh.yaml beside this file.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MESH_FILE = 'envoy/demo/mesh.yaml';
export const SIGNET = join(ROOT, 'bin/signet');
/** The default of `signet serve`, so that every command works without a flag. */
export const DATA = join(ROOT, '.signet');
export const LOGS = join(ROOT, '.signet/demo');

export const XDS = { host: '127.0.0.1', port: 18000 };
export const ADMIN = { host: '127.0.0.1', port: 18001 };
export const ADMIN_URL = `http://${ADMIN.host}:${ADMIN.port}`;
/** Whatever the user's shell says of another control plane is not meant here. */
export const ENVIRONMENT = { SIGNET_SERVER: ADMIN_URL, SIGNET_ADMIN_TOKEN_FILE: join(DATA, 'admin.token') };

const NAMESPACE = 'shop';
const TRUST_DOMAIN = 'demo.example';
const SERVICE_PORT = 18080;

const service = (name, last, upstreams) => ({
  name,
  key: `${NAMESPACE}/${name}`,
  identity: `spiffe://${TRUST_DOMAIN}/ns/${NAMESPACE}/sa/${name}`,
  /** Sidecars of one host need an address each. */
  address: `127.0.1.${last}`,
  port: SERVICE_PORT,
  outbound: { host: `127.0.1.${last}`, port: 15001 },
  app: { host: '127.0.0.1', port: 18008 + last },
  envoyAdmin: { host: '127.0.0.1', port: 18018 + last },
  upstreams,
});

/** web → orders → payments, and inventory. */
export const SERVICES = {
  web: service('web', 2, ['orders']),
  orders: service('orders', 3, ['payments']),
  payments: service('payments', 4, []),
  inventory: service('inventory', 5, ['payments']),
};

/** `signet sidecar …` for one service, as a user would type it. */
export const sidecarArguments = ({ name, key, address, outbound, envoyAdmin }) => [
  'sidecar',
  key,
  ...['--address', address],
  ...['--outbound', `${outbound.host}:${outbound.port}`],
  ...['--envoy-admin', String(envoyAdmin.port)],
  '--',
  ...['node', `envoy/demo/apps/${name}.mjs`],
];

/** Every address that must be free, with what wants it. */
export const ADDRESSES = [
  { ...XDS, owner: 'the control plane (xDS)' },
  { ...ADMIN, owner: 'the control plane (admin)' },
  ...Object.values(SERVICES).flatMap(({ name, address, port, outbound, app, envoyAdmin }) => [
    { host: address, port, owner: `the sidecar of ${name}` },
    { ...outbound, owner: `the outbound port of ${name}'s sidecar` },
    { ...app, owner: `the app of ${name}` },
    { ...envoyAdmin, owner: `the Envoy admin page of ${name}` },
  ]),
];
