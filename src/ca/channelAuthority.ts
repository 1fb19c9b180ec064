import type { Duration, Instant } from '../lib/time.ts';
import { controlPlaneId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, ChannelRotation, ServerCredentials } from './authority.ts';
import { type CaCertificate, type CaKeyPair, makeCa } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { type Leaf, leafIssuer } from './leaf.ts';
import type { Making } from './making.ts';
import { ROOT_LIFE } from './meshAuthority.ts';
import type { ChannelState } from './meshState.ts';
import { renamed } from './names.ts';
import {
  activate,
  activeOf,
  inState,
  own,
  prepare,
  refused,
  retire,
  type Slots,
  slotFacts,
  slotOf,
  trusted,
} from './slots.ts';

/** Life of the control plane's own certificate. */
export const SERVER_LIFE: Duration = 90 * 86_400_000;

const isFresh = (leaf: Leaf, now: Instant): boolean =>
  now >= leaf.notBefore && now < (leaf.notBefore + leaf.notAfter) / 2;

const activatePrepared = (anchors: Slots, now: Instant): Slots => {
  const next = inState(anchors, 'prepared');
  if (next === undefined) throw refused('no anchor of the channel is prepared');
  return activate(anchors, slotOf(next), now);
};

const goBack = (anchors: Slots, now: Instant): Slots => {
  const prepared = inState(anchors, 'prepared');
  if (prepared !== undefined) return retire(anchors, slotOf(prepared), now);
  const old = anchors.filter(({ state }) => state === 'old').sort((a, b) => b.since - a.since)[0];
  if (old === undefined) throw refused('no other anchor of the channel is held');
  return activate(anchors, slotOf(old), now);
};

const retireOld = (anchors: Slots, now: Instant): Slots =>
  anchors.filter(({ state }) => state === 'old').reduce((slots, slot) => retire(slots, slotOf(slot), now), anchors);

const channelRotation = (document: CaDocument<ChannelState>, { trustDomain, curve }: Making): ChannelRotation => {
  const change = (what: string, next: (anchors: Slots, now: Instant) => Slots) => (now: Instant) =>
    document.change(what, (state) => ({ ...renamed(state, trustDomain()), anchors: next(state.anchors, now) }), now);
  const make = (now: Instant) =>
    makeCa('channel', { trustDomain: trustDomain(), life: ROOT_LIFE, now, curve: curve() });
  return Object.freeze({
    prepare: change('prepared an anchor', (anchors, now) => prepare(anchors, own(make(now)), now)),
    activate: change('activated the prepared anchor', activatePrepared),
    abort: change('went back to the old anchor', goBack),
    retire: change('retired the old anchors', retireOld),
    restorePrevious: document.restorePrevious,
  });
};

/**
 * The channel CA. Each anchor stands for the trust domain that it was made in, however the mesh is called since: bootstraps
 * pin that name. The control plane's certificate is made anew at each start and not stored: bootstraps pin the anchors
 * and the name, not the certificate, so a stored key would only be one more that can leak.
 */
export const channelAuthority = (making: Making, document: CaDocument<ChannelState>): ChannelAuthority => {
  const held = new Map<string, Leaf>();
  const active = () => activeOf(document.state().anchors);
  const nameOf = ({ trustDomain }: CaCertificate): TrustDomain => trustDomain ?? document.state().trustDomain;
  const credentialsOf = (keys: CaKeyPair, now: Instant): ServerCredentials => {
    const anchor = keys.certificate.facts.serial;
    let leaf = held.get(anchor);
    if (leaf === undefined || !isFresh(leaf, now)) {
      const id = controlPlaneId(nameOf(keys.certificate));
      leaf = leafIssuer(keys).issue({ id, use: 'server', ttl: SERVER_LIFE, now }, making.curve());
      held.set(anchor, leaf);
    }
    const { certificatePem, keyPem, notAfter } = leaf;
    return { chainPem: certificatePem, keyPem, notAfter };
  };
  return Object.freeze({
    anchor: () =>
      trusted(document.state().anchors)
        .map(({ certificate }) => certificate.pem)
        .join(''),
    serverIds: () => [
      ...new Set(trusted(document.state().anchors).map(({ certificate }) => controlPlaneId(nameOf(certificate)))),
    ],
    serverCredentials: (now: Instant) => credentialsOf(active().keys, now),
    credentialsByAnchor: (now: Instant) =>
      document
        .state()
        .anchors.flatMap(({ state, keys }) =>
          keys !== undefined && (state === 'active' || state === 'old') && now < keys.certificate.notAfter
            ? [{ anchorPem: keys.certificate.pem, ...credentialsOf(keys, now) }]
            : [],
        ),
    describe: () => active().certificate.facts,
    slots: () => document.state().anchors.map((slot) => slotFacts('channel', slot, slot.certificate)),
    generation: () => document.state().generation,
    rotation: channelRotation(document, making),
  });
};
