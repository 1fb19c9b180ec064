import type { HostPort } from '../../src/lib/hostPort.ts';
import { call } from './http.ts';

/** What a running Envoy says of itself on its admin port. */
export type EnvoyAdmin = {
  readonly at: HostPort;
  readonly ready: () => Promise<boolean>;
  /** The sum of all counters and gauges whose name matches. */
  readonly stat: (name: RegExp) => Promise<number>;
  readonly stats: (name: RegExp) => Promise<ReadonlyMap<string, number>>;
  /** Serial (lower-case hex without leading zeros) of the certificate that it holds for a URI. */
  readonly serialOf: (uri: string) => Promise<string | undefined>;
  /** `ADDRESS:PORT` of each endpoint of a cluster. */
  readonly endpoints: (cluster: string) => Promise<readonly string[]>;
  readonly listeners: () => Promise<readonly string[]>;
  /** The route configurations in force, with their policies, as JSON text. */
  readonly routes: () => Promise<string>;
};

type CertDetails = {
  readonly serial_number?: string;
  readonly subject_alt_names?: readonly { readonly uri?: string }[];
};
type Certs = { readonly certificates?: readonly { readonly cert_chain?: readonly CertDetails[] }[] };
type Listeners = { readonly listener_statuses?: readonly { readonly name: string }[] };

const plainSerial = (hex: string): string =>
  hex
    .toLowerCase()
    .replace(/[^0-9a-f]/g, '')
    .replace(/^0+/, '');

export const envoyAdmin = (at: HostPort): EnvoyAdmin => {
  const text = async (path: string): Promise<string> => {
    const { status, body } = await call(at, { path, timeout: 5_000 });
    if (status !== 200) throw new Error(`Envoy's ${path} answered ${status}`);
    return body;
  };
  const stats = async (name: RegExp): Promise<ReadonlyMap<string, number>> => {
    const found = new Map<string, number>();
    for (const line of (await text('/stats')).split('\n')) {
      const [, key = '', value] = /^(.+): (\d+)$/.exec(line) ?? [];
      if (value !== undefined && name.test(key)) found.set(key, Number(value));
    }
    return found;
  };
  return {
    at,
    ready: async () => (await call(at, { path: '/ready', timeout: 5_000 })).status === 200,
    stats,
    stat: async (name) => [...(await stats(name)).values()].reduce((sum, value) => sum + value, 0),
    serialOf: async (uri) => {
      const certs: Certs = JSON.parse(await text('/certs'));
      for (const leaf of (certs.certificates ?? []).flatMap(({ cert_chain: chain }) => chain ?? [])) {
        const holds = leaf.subject_alt_names?.some((name) => name.uri === uri) === true;
        if (holds && leaf.serial_number !== undefined) return plainSerial(leaf.serial_number);
      }
      return undefined;
    },
    endpoints: async (cluster) =>
      [...new Set((await text('/clusters')).split('\n').map((line) => line.split('::')))]
        .filter(([name, , key]) => name === cluster && key === 'cx_active')
        .map(([, address = '']) => address),
    listeners: async () => {
      const listeners: Listeners = JSON.parse(await text('/listeners?format=json'));
      return (listeners.listener_statuses ?? []).map(({ name }) => name);
    },
    routes: () => text('/config_dump?resource=dynamic_route_configs'),
  };
};
