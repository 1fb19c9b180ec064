import { printable } from '../../lib/printable.ts';
import type { Instant } from '../../lib/time.ts';
import type { Mesh } from '../../model/mesh.ts';
import { TYPE } from '../../xds/resource.ts';
import type { Renewals } from '../certificates/renewals.ts';
import type { ClockRecord } from '../clockRecord.ts';
import type { Fleet, Member } from '../fleet.ts';
import type { Claim, JoinTokens } from '../joinTokens.ts';
import type { Reconciler } from '../reconciler.ts';
import { certificateEnds, type Refusal } from '../refusals.ts';
import type { Sidecar, StreamId } from '../sidecar.ts';
import type { Holder } from './sidecarFacts.ts';

export type MeshSourcesOptions = {
  readonly now: () => Instant;
  readonly clockRecord: Pick<ClockRecord, 'atLeast'>;
  readonly mesh: () => Mesh;
  readonly tokens: JoinTokens;
  readonly fleet: Fleet;
  readonly reconciler: Reconciler;
  readonly renewals: Renewals;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
};

/** What the rotation of CAs looks at in the running mesh, and asks of it. */
export const meshSources = ({
  now,
  clockRecord,
  mesh,
  tokens,
  fleet,
  reconciler,
  renewals,
  end,
}: MeshSourcesOptions) => {
  const holderOf = ({ sidecar, record }: Member): Holder => {
    const { stream, node, client, credential, envoyAdmin } = sidecar;
    const refused = record.types.get(TYPE.sds)?.nacked?.error;
    const published = reconciler.secretsOf(stream);
    return { stream, node, client, credential, envoyAdmin, published, refused: refused && printable(refused) };
  };
  /** `false` once the token that a node joined with was revoked, or it was away for too long. */
  const mayReturn = (node: string): boolean => tokens.joinOf(node, mesh().rejoin, now()) !== undefined;
  return Object.freeze({
    mayReturn,
    atLeast: (): Instant => clockRecord.atLeast(mesh().certificates.ttl),
    holders: (): readonly Holder[] => fleet.streams().map(holderOf),
    secretsOf: (stream: StreamId): Pick<Holder, 'node' | 'published'> | undefined => {
      const node = fleet.nodeOf(stream);
      return node === undefined ? undefined : { node, published: reconciler.secretsOf(stream) };
    },
    /** Connected sidecars, with the channel's anchors in their bootstraps as far as they say. */
    anchorsKnown: (): readonly Pick<Sidecar, 'node' | 'anchors'>[] => fleet.streams().map(({ sidecar }) => sidecar),
    /** Instances that joined and may come back. */
    away: (): readonly Claim[] => {
      const here = new Set(fleet.streams().map(({ sidecar }) => sidecar.node));
      return tokens.claims().filter(({ node }) => !here.has(node) && mayReturn(node));
    },
    /** Ends streams whose credential serves no more; a good client comes back with another. */
    end: (streams: readonly StreamId[]): void => {
      for (const stream of streams) end(stream, certificateEnds());
    },
    /** A new certificate for the node of a stream, whatever is left of the old one. */
    reissue: async ({ node, stream }: Pick<Holder, 'node' | 'stream'>): Promise<void> => {
      const { services, certificates } = mesh();
      const member = fleet.member(stream);
      const identity = member && services.get(member.sidecar.service)?.identity;
      if (identity === undefined) return;
      await renewals.renew(node, identity, certificates.ttl);
      reconciler.markSecrets(node);
    },
  });
};
