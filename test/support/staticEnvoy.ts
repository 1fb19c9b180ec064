import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonRecord = { readonly [key: string]: Json };
/** What `showJson` gives. */
export type Shown = Readonly<Record<string, readonly Json[]>>;

const isRecord = (value: Json | undefined): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const named = (list: readonly Json[] | undefined, key: string, name: Json | undefined): Json => {
  const found = list?.find((item) => isRecord(item) && item[key] === name);
  if (found === undefined) throw new Error(`nothing is called ${JSON.stringify(name)}`);
  return found;
};

/**
 * The same configuration without a control plane: routes stand in their listeners, endpoints in their clusters and
 * secrets in the file, so that `envoy --mode validate` looks at every byte of it.
 */
export const staticBootstrap = (shown: Shown, secrets: readonly Json[]): Json => {
  const inline = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(inline);
    if (!isRecord(value)) return value;
    const { rds, eds_cluster_config: eds, sds_config: sds, ...rest } = value;
    if (isRecord(rds)) return inline({ ...rest, route_config: named(shown.routes, 'name', rds.route_config_name) });
    if (eds !== undefined) {
      return inline({ ...rest, type: 'STATIC', load_assignment: named(shown.endpoints, 'cluster_name', value.name) });
    }
    if (sds !== undefined) return rest;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inline(inner)]));
  };
  return {
    node: { id: 'golden', cluster: 'golden' },
    static_resources: {
      listeners: inline(shown.listeners ?? []),
      clusters: inline(shown.clusters ?? []),
      secrets: [...secrets],
    },
  };
};

/** Asks a real Envoy whether it would load this bootstrap; `undefined` if so, else what it says. */
export const refusalOf = async (envoy: string, bootstrap: Json): Promise<string | undefined> => {
  const folder = await mkdtemp(join(tmpdir(), 'signet-golden-'));
  try {
    const file = join(folder, 'envoy.json');
    await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
    await promisify(execFile)(envoy, ['--mode', 'validate', '-l', 'error', '-c', file]);
    return undefined;
  } catch (thrown) {
    const { stderr, message } = thrown as { readonly stderr?: string; readonly message: string };
    return stderr ?? message;
  } finally {
    await rm(folder, { recursive: true });
  }
};
