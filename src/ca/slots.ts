import { AppError } from '../lib/errors.ts';
import { type Instant, iso } from '../lib/time.ts';
import type { CaCertificate, CaKeyPair } from './caCertificate.ts';
import type { SlotFacts, SlotState } from './facts.ts';

export type Slot = {
  readonly state: SlotState;
  /** When it came into this state. */
  readonly since: Instant;
  readonly certificate: CaCertificate;
  /** `undefined` once it is tainted, for its key is destroyed then, also in the generation before; and where its key is elsewhere. */
  readonly keys: CaKeyPair | undefined;
  /** Absent for what Signet made itself; else where it came from: `import`, or the signer that mesh.yaml names. */
  readonly origin?: string;
};

/** A CA that is to stand in a slot. */
export type NewSlot = Pick<Slot, 'certificate' | 'keys' | 'origin'>;

/** The CAs of one place, in the order in which they were made: exactly one is active, at most one prepared. */
export type Slots = readonly Slot[];

/** A change that a rule forbids, in a sentence; nothing was changed. */
export const refused = (sentence: string): AppError<'rotation_refused'> => new AppError('rotation_refused', sentence);

export const inState = (slots: Slots, state: SlotState): Slot | undefined => slots.find((slot) => slot.state === state);

/** The active one, wherever its key is. @throws Error if there is none, which no reader and no change lets happen */
export const standing = (slots: Slots): Slot => {
  const slot = inState(slots, 'active');
  if (slot === undefined) throw new Error('no CA is active');
  return slot;
};

/** The one that signs here. @throws AppError `ca_key_elsewhere` */
export const activeOf = (slots: Slots): Slot & { readonly keys: CaKeyPair } => {
  const slot = standing(slots);
  if (slot.keys === undefined)
    throw new AppError('ca_key_elsewhere', `the key of ${slot.certificate.name} is not in Signet`);
  return { ...slot, keys: slot.keys };
};

/** Those that are trusted. */
export const trusted = (slots: Slots): Slots => slots.filter(({ state }) => state !== 'revoked');

export const slotOf = ({ certificate: { facts } }: Slot): string => facts.serial;

export const moveTo = (slot: Slot, state: SlotState, now: Instant): Slot => ({
  ...slot,
  state,
  since: now,
  keys: state === 'tainted' || state === 'revoked' ? undefined : slot.keys,
});

/** `root`: the certificate that signed it, or itself. */
export const slotFacts = (
  kind: SlotFacts['kind'],
  { state, since, certificate }: Slot,
  root: CaCertificate,
): SlotFacts => ({
  ...certificate.facts,
  kind,
  state,
  since,
  root: root.facts.serial,
});

/** Why these slots cannot be; `undefined` if they can. */
export const slotsFault = (what: string, slots: Slots): string | undefined => {
  const count = (state: SlotState): number => slots.filter((slot) => slot.state === state).length;
  if (count('active') !== 1) return `${count('active')} of its ${what} are active, and exactly one is to be`;
  if (count('prepared') > 1) return `${count('prepared')} of its ${what} are prepared, and at most one may be`;
  if (new Set(slots.map(slotOf)).size !== slots.length) return `one of its ${what} is there twice`;
  const keyFault = ({ state, keys, origin }: Slot): boolean => {
    if (state === 'revoked') return keys !== undefined;
    return keys === undefined && origin === undefined && state !== 'tainted';
  };
  if (slots.some(keyFault)) return `one of its ${what} has no key, or has one although it is revoked`;
  return undefined;
};

/** A new one, trusted and not signing yet. @throws AppError `rotation_refused` if another is prepared */
export const prepare = (slots: Slots, next: NewSlot, now: Instant): Slots => {
  const other = inState(slots, 'prepared');
  if (other !== undefined)
    throw refused(
      `${other.certificate.name} is prepared already: let that rotation end, or \`signet ca rotate --abort\``,
    );
  return [...slots, { ...next, state: 'prepared', since: now }];
};

/** What Signet made itself. */
export const own = (keys: CaKeyPair): NewSlot => ({ certificate: keys.certificate, keys });

/**
 * Another one signs from now on; the one that did is old. `serial` is prepared, or old and taken back.
 * @throws AppError `rotation_refused` if it is not there, is tainted or revoked, or is not valid now
 */
export const activate = (slots: Slots, serial: string, now: Instant): Slots => {
  const next = slots.find((slot) => slotOf(slot) === serial);
  if (next === undefined) throw refused(`no CA with the serial ${serial} is held`);
  const { state, certificate } = next;
  if (state === 'active') return slots;
  if (state !== 'prepared' && state !== 'old')
    throw refused(`${certificate.name} is ${state}, and one that was compromised never signs again`);
  if (now < certificate.notBefore || now >= certificate.notAfter)
    throw refused(`${certificate.name} is not valid at ${iso(now)}: it cannot sign`);
  return slots.map((slot) => {
    if (slot === next) return moveTo(slot, 'active', now);
    return slot.state === 'active' ? moveTo(slot, 'old', now) : slot;
  });
};

/** An old one of which somebody else may have the key: its own one is destroyed, for it never signs again. @throws AppError `rotation_refused` */
export const taint = (slots: Slots, serial: string, now: Instant): Slots =>
  slots.map((slot) => {
    if (slotOf(slot) !== serial || slot.state === 'tainted') return slot;
    if (slot.state === 'old') return moveTo(slot, 'tainted', now);
    throw refused(
      `${slot.certificate.name} is ${slot.state}: only an old one can be tainted, so activate another first`,
    );
  });

/** What was compromised stays so: no older state may trust or use it again. @throws AppError `rotation_refused` */
export const refuseHealing = (previous: Slots, present: Slots): void => {
  for (const slot of present.filter(({ state }) => state === 'tainted' || state === 'revoked')) {
    const before = previous.find((other) => slotOf(other) === slotOf(slot));
    if (before !== undefined && before.state !== slot.state && before.state !== 'revoked')
      throw refused(
        `the generation before has ${slot.certificate.name} as ${before.state}, and it is ${slot.state} now`,
      );
  }
};

/** Whether `before` holds a key of what is tainted or revoked in `next`. */
export const holdsDeadKeys = (before: Slots, next: Slots): boolean => {
  const dead = new Set(next.filter(({ state }) => state === 'tainted' || state === 'revoked').map(slotOf));
  return before.some((slot) => slot.keys !== undefined && dead.has(slotOf(slot)));
};

/** The end of one: what was tainted stays as revoked. @throws AppError `rotation_refused` if it signs */
export const retire = (slots: Slots, serial: string, now: Instant): Slots =>
  slots.flatMap((slot) => {
    if (slotOf(slot) !== serial || slot.state === 'revoked') return [slot];
    if (slot.state === 'active') throw refused(`${slot.certificate.name} signs: activate another before it is retired`);
    return slot.state === 'tainted' ? [moveTo(slot, 'revoked', now)] : [];
  });
