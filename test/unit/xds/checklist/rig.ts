import assert from 'node:assert/strict';
import type { status } from '@grpc/grpc-js';
import { err, ok } from '../../../../src/lib/result.ts';
import type { Duration } from '../../../../src/lib/time.ts';
import { TYPE, type TypeName, typeNameOf } from '../../../../src/xds/resource.ts';
import { type StreamEvent, type StreamId, startXdsServer, type XdsServer } from '../../../../src/xds/server.ts';
import type { Variant } from '../../../../src/xds/sessionState.ts';
import { type AdsClient, type AdsResponse, type Asking, openAds } from '../../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../../support/controlPlaneTls.ts';
import { openSotw } from '../../../support/sotwClient.ts';
import { until } from '../../../support/until.ts';
import { type Names, snapshotOf } from '../conversation.ts';

/*
 * The rules of the xDS protocol over real connections: a server with TLS, and clients that share no code with it. A rule that
 * holds in both variants is one test for each of them.
 */

/** Where the rules stand. */
export const PROTOCOL = 'https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol';
export const DISCOVERY_PROTO =
  'https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/discovery/v3/discovery.proto';

/** `cds +a@1 -b`; two texts where the variants differ. */
export type Expected = string | Readonly<Record<Variant, string>>;

export type Sidecar = {
  readonly variant: Variant;
  /**
   * One request that makes these the names that are subscribed to: all of them in state of the world, what is different in
   * delta. In state of the world it has the newest nonce, as it must: it also is an ACK.
   */
  readonly want: (type: TypeName, names?: readonly string[], also?: Asking) => void;
  /** One request, word for word. */
  readonly ask: (type: string, asking?: Asking) => void;
  readonly askRaw: (bytes: Buffer) => void;
  /** The next responses, in this order. */
  readonly hears: (...expected: readonly Expected[]) => Promise<void>;
  /** The last response of this type that was heard. */
  readonly last: (type: TypeName) => AdsResponse;
  readonly ack: (type: TypeName, also?: Asking) => void;
  readonly nack: (type: TypeName, error?: string, also?: Asking) => void;
  /** Nothing else was sent: asks for something that there is not, and its answer is what comes next. */
  readonly quiet: () => Promise<void>;
  readonly ended: Promise<{ readonly code: status; readonly details: string }>;
  readonly close: () => void;
};

export type Opening = {
  readonly variant?: Variant;
  readonly nodeId?: string;
  /** A service of one type instead of ADS. */
  readonly method?: string;
};

export type Rig = {
  readonly variant: Variant;
  readonly server: () => XdsServer;
  readonly events: readonly StreamEvent[];
  readonly anchorPem: string;
  /** What every stream is sent from now on, those that come later included. */
  readonly publish: (names: Names) => void;
  readonly open: (opening?: Opening) => Sidecar;
  /** A sidecar that takes everything of these types, asked for by the names that there are. */
  readonly settled: (names: Names, opening?: Opening) => Promise<Sidecar>;
};

const BOTH: readonly Variant[] = ['delta', 'sotw'];

type Rule = (rule: string, run: (rig: Rig) => Promise<void>, holdFor?: Duration) => void;
export type Rules = { readonly both: Rule; readonly delta: Rule; readonly sotw: Rule };

/** A section of the checklist: the rules of one paragraph. */
export const checklist = (title: string, paragraph: string, define: (rules: Rules) => void): void => {
  describe(`xDS rules: ${title} (${paragraph})`, function () {
    this.timeout(10_000);
    const holdsIn =
      (variants: readonly Variant[]): Rule =>
      (rule, run, holdFor = 2_000) => {
        for (const variant of variants) it(`${rule} [${variant}]`, () => withRig(variant, holdFor, run));
      };
    define({ both: holdsIn(BOTH), delta: holdsIn(['delta']), sotw: holdsIn(['sotw']) });
  });
};

const withRig = async (variant: Variant, holdFor: Duration, run: (rig: Rig) => Promise<void>): Promise<void> => {
  const events: StreamEvent[] = [];
  const admitted: StreamId[] = [];
  const sidecars: Sidecar[] = [];
  let newest: Names | undefined;
  const server = await startXdsServer<string>({
    listen: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    authenticate: async () => ok('prod/web/'),
    admit: async (may, node, id) => {
      if (!node.id.startsWith(may)) return err({ code: 'permission_denied', message: 'another identity' });
      admitted.push(id);
      if (newest !== undefined) server.publish(id, snapshotOf(newest));
      return ok(undefined);
    },
    onEvent: (event) => void events.push(event),
    holdFor,
  });
  const rig: Rig = {
    variant,
    server: () => server,
    events,
    anchorPem: tls.chainPem,
    publish: (names) => {
      newest = names;
      for (const id of admitted) server.publish(id, snapshotOf(names));
    },
    open: (opening = {}) => {
      const sidecar = openSidecar(server, { variant, ...opening });
      sidecars.push(sidecar);
      return sidecar;
    },
    settled: async (names, opening) => {
      rig.publish(names);
      const sidecar = rig.open(opening);
      for (const [type, versions] of (['cds', 'eds', 'sds', 'lds', 'rds'] as const).map(
        (t) => [t, names[t]] as const,
      )) {
        if (versions === undefined) continue;
        const isWild = type === 'cds' || type === 'lds';
        sidecar.want(type, isWild ? [] : Object.keys(versions));
        await sidecar.hears(
          `${type} ${Object.entries(versions)
            .map(([n, v]) => `+${n}@${v}`)
            .join(' ')}`,
        );
        sidecar.ack(type);
      }
      await sidecar.quiet();
      return sidecar;
    },
  };
  try {
    await run(rig);
  } finally {
    for (const sidecar of sidecars) sidecar.close();
    await server.close(200);
  }
};

const openSidecar = (server: XdsServer, { variant = 'delta', nodeId = 'prod/web/1', method }: Opening): Sidecar => {
  const options = { address: server.address(), anchorPem: tls.chainPem, serverId: SERVER_ID, nodeId };
  const client = variant === 'delta' ? openAds(options, method) : openSotw(options, method);
  const heard = new Map<string, AdsResponse>();
  const wanted = new Map<TypeName, readonly string[]>();
  const last = (type: TypeName): AdsResponse => heard.get(TYPE[type]) ?? assert.fail(`no ${type} was heard`);
  const next = async (): Promise<string> => {
    const response = await client.next(3000);
    heard.set(response.type, response);
    return show(response);
  };
  return {
    variant,
    want: (type, names = [], also = {}) => {
      const before = wanted.get(type) ?? [];
      wanted.set(type, names);
      const subscribe = names.filter((name) => !before.includes(name));
      const unsubscribe = before.filter((name) => !names.includes(name));
      client.ask(TYPE[type], variant === 'delta' ? { subscribe, unsubscribe, ...also } : { names, ...also });
    },
    ask: client.ask,
    askRaw: client.askRaw,
    hears: async (...expected) => {
      for (const text of expected) assert.equal(await next(), typeof text === 'string' ? text : text[variant]);
    },
    last,
    ack: (type, also = {}) => {
      const { nonce, version } = last(type);
      client.ask(TYPE[type], { nonce, version, ...also });
    },
    nack: (type, error = 'no', also = {}) => client.ask(TYPE[type], { nonce: last(type).nonce, error, ...also }),
    quiet: newProbe(client),
    ended: client.ended,
    close: client.close,
  };
};

const NOBODYS_TYPE = 'type.googleapis.com/envoy.service.runtime.v3.Runtime';

/** Requests are taken in order, and what can be sent is sent before the answer to what nobody has. */
const newProbe = (client: AdsClient): (() => Promise<void>) => {
  let probes = 0;
  return async () => {
    probes += 1;
    const names = [`probe-${probes}`];
    client.ask(NOBODYS_TYPE, { subscribe: names, names });
    const answer = await client.next(3000);
    assert.equal(answer.type, NOBODYS_TYPE, `nothing was to be sent, and this came: ${show(answer)}`);
    client.ack(answer);
  };
};

/** What is in the resources themselves: `conversation.ts` makes them of type, name and version. */
export const show = (r: AdsResponse): string => {
  const type = typeNameOf(r.type) ?? r.type;
  const contents = r.resources.map(({ typeUrl, value }) => {
    assert.equal(typeUrl, r.type, 'resources are of the type of their response');
    const [of, name, version] = value.toString().split(' ');
    assert.equal(of, type);
    return `+${name}@${version}`;
  });
  return [type, ...contents, ...r.removed.map((name) => `-${name}`)].join(' ');
};

/** Waits for an event, and gives all of its kind. */
export const eventsOf = async <K extends StreamEvent['kind']>(
  rig: Rig,
  kind: K,
  count = 1,
): Promise<readonly Extract<StreamEvent, { kind: K }>[]> => {
  const all = () => rig.events.filter((e): e is Extract<StreamEvent, { kind: K }> => e.kind === kind);
  await until(() => all().length >= count);
  return all();
};
