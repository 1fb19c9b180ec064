import { ClientResourceStatus, type UpdateFailureState } from '../gen/envoy/admin/v3/config_dump_shared.ts';
import { Node } from '../gen/envoy/config/core/v3/base.ts';
import { type ClientConfig, ClientConfig_GenericXdsConfig, ConfigStatus } from '../gen/envoy/service/status/v3/csds.ts';
import { Any } from '../gen/google/protobuf/any.ts';
import type { SidecarRecord, TypeRecord } from './ledger.ts';
import type { NodeIdentity } from './request.ts';
import { type Resource, TYPE, type TypeUrl } from './resource.ts';
import type { SessionState } from './sessionState.ts';
import { isWanted, type TypeState } from './typeState.ts';

/** Names of a type that a client asks for or says it holds, and that it is not to have: so many are told. Clients choose them. */
export const MOST_UNKNOWN_NAMES = 100;

/**
 * One connected client as CSDS tells it: every resource that there is for it, and what it asked for or holds besides. Version and
 * content are those that the client holds, so neither is there before its first ACK. Secrets are told without content.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/status/v3/csds.proto
 */
export const clientConfig = (record: SidecarRecord, session: SessionState, contents: boolean): ClientConfig => ({
  node: nodeOf(record.node),
  xdsConfig: [],
  genericXdsConfigs: typesOf(session).flatMap((type) =>
    ofType({ type, record: record.types.get(type), asked: session.types.get(type), session, contents }),
  ),
  clientScope: '',
});

/** Metadata is left out: it can hold anything. */
const nodeOf = ({ id, cluster, userAgent }: NodeIdentity): Node => {
  const slash = userAgent.lastIndexOf('/');
  const [name, version] = slash < 0 ? [userAgent, ''] : [userAgent.slice(0, slash), userAgent.slice(slash + 1)];
  return Node.fromPartial({
    id,
    cluster,
    userAgentName: name,
    userAgentVersionType: { $case: 'userAgentVersion', value: version },
  });
};

/** Those that Signet serves in their order, then whatever else was asked for. */
const typesOf = ({ types }: SessionState): readonly TypeUrl[] => [
  ...new Set<TypeUrl>([...Object.values(TYPE), ...types.keys()]),
];

type Told = {
  readonly type: TypeUrl;
  readonly record: TypeRecord | undefined;
  /** `undefined` if the client did not ask for this type. */
  readonly asked: TypeState | undefined;
  readonly session: SessionState;
  readonly contents: boolean;
};

const ofType = (told: Told): readonly ClientConfig_GenericXdsConfig[] => {
  const { type, asked, session } = told;
  const published = session.snapshot?.get(type) ?? new Map<string, Resource>();
  const known = [...published.values()].map((resource) => tell(told, resource.name, resource));
  const others = new Set<string>();
  for (const names of [asked?.held.versions.keys() ?? [], asked?.names ?? []]) {
    for (const name of names) {
      if (others.size === MOST_UNKNOWN_NAMES) break;
      if (!published.has(name)) others.add(name);
    }
  }
  return [...known, ...[...others].map((name) => tell(told, name, undefined))];
};

type Standing = readonly [ConfigStatus, ClientResourceStatus];

const tell = (told: Told, name: string, resource: Resource | undefined): ClientConfig_GenericXdsConfig => {
  const { type, record, asked, contents } = told;
  const held = asked?.held.versions.get(name);
  const [configStatus, clientStatus] = standing(asked, name, resource);
  // A private key leaves on the stream of its owner and nowhere else.
  const content = contents && type !== TYPE.sds ? resource?.any : undefined;
  return ClientConfig_GenericXdsConfig.create({
    typeUrl: type,
    name,
    versionInfo: held ?? '',
    xdsConfig: content !== undefined && held === resource?.version ? Any.decode(content) : undefined,
    lastUpdated: held !== undefined && record?.acked !== undefined ? new Date(record.acked.at) : undefined,
    configStatus,
    clientStatus,
    errorState: configStatus === ConfigStatus.ERROR && resource ? failure(record, resource, content) : undefined,
  });
};

/** Where a resource stands: for us, and as far as we know for the client. `resource` is `undefined` where it is not to have any. */
const standing = (asked: TypeState | undefined, name: string, resource: Resource | undefined): Standing => {
  if (asked === undefined) return [ConfigStatus.NOT_SENT, ClientResourceStatus.UNKNOWN];
  const { refused, inFlight, owed } = asked;
  const held = asked.held.versions.get(name);
  if (resource === undefined) {
    const underWay = inFlight?.removals.includes(name) === true;
    if (held !== undefined) return [underWay ? ConfigStatus.STALE : ConfigStatus.NOT_SENT, ClientResourceStatus.ACKED];
    if (underWay) return [ConfigStatus.STALE, ClientResourceStatus.DOES_NOT_EXIST];
    return owed.has(name)
      ? [ConfigStatus.NOT_SENT, ClientResourceStatus.REQUESTED]
      : [ConfigStatus.SYNCED, ClientResourceStatus.DOES_NOT_EXIST];
  }
  const { version } = resource;
  if (refused.get(name) === version) return [ConfigStatus.ERROR, ClientResourceStatus.NACKED];
  if (held === version) return [ConfigStatus.SYNCED, ClientResourceStatus.ACKED];
  const sent = inFlight?.upserts.get(name) === version ? ConfigStatus.STALE : ConfigStatus.NOT_SENT;
  if (held !== undefined) return [sent, ClientResourceStatus.ACKED];
  return [sent, isWanted(asked, name) ? ClientResourceStatus.REQUESTED : ClientResourceStatus.UNKNOWN];
};

/** The ledger keeps the words of the last refusal of a type; an older one is told without. */
const failure = (
  record: TypeRecord | undefined,
  { name, version }: Resource,
  content: Uint8Array | undefined,
): UpdateFailureState => {
  const nacked = record?.nacked;
  const last = nacked?.resources.some((r) => r.name === name && r.version === version) ? nacked : undefined;
  return {
    failedConfiguration: content === undefined ? undefined : Any.decode(content),
    lastUpdateAttempt: last === undefined ? undefined : new Date(last.at),
    details: last?.error ?? 'refused earlier on this stream',
    versionInfo: version,
  };
};
