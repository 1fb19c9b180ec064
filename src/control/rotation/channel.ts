import type { ChannelAuthority, SlotFacts } from '../../ca/authority.ts';
import { AppError } from '../../lib/errors.ts';
import type { Instant } from '../../lib/time.ts';
import { anchorNames } from '../../spiffe/anchorName.ts';
import type { Clock } from '../clock.ts';
import { count, named } from '../health/words.ts';
import type { Log } from '../log.ts';

export type ChannelPorts = {
  readonly clock: Clock;
  readonly log: Log;
  readonly authority: Pick<ChannelAuthority, 'rotation' | 'slots' | 'credentialsByAnchor'>;
  /** Connected sidecars, with the anchors that their bootstraps hold as far as they say. */
  readonly sidecars: () => readonly { readonly node: string; readonly anchors: readonly string[] | undefined }[];
  /** Instances that joined and are not connected. */
  readonly away: () => readonly { readonly node: string; readonly lastSeen: Instant }[];
  /** Bootstraps and the xDS listener are to follow. */
  readonly onAnchors: () => void;
};

export type ChannelReport = {
  readonly anchors: readonly SlotFacts[];
  /** Connected sidecars whose bootstrap does not hold the active anchor: without the old one they do not come back. */
  readonly onlyOld: readonly string[];
  /** Instances of which it is not known what their bootstraps hold. */
  readonly away: readonly { readonly node: string; readonly lastSeen: Instant }[];
};

/**
 * The rotation of the channel CA. A bootstrap is a file in somebody else's hands, so nothing here goes on by itself: the new
 * anchor goes into new bootstraps and signs for those who have it, the old one goes on signing for the others, until the
 * operator retires it.
 */
export const channelRotation = ({ clock, log, authority, sidecars, away, onAnchors }: ChannelPorts) => {
  const states = () => authority.slots().map(({ state }) => state);
  const done = (sentence: string): void => {
    log.warn({}, sentence);
    onAnchors();
  };

  const report = (): ChannelReport => {
    const signing = authority.credentialsByAnchor(clock.now());
    const active = authority.slots().find(({ state }) => state === 'active');
    const name = signing
      .flatMap(({ anchorPem }) => anchorNames(anchorPem))
      .find((one) => active?.fingerprint.startsWith(one));
    const isOld = (anchors: readonly string[] | undefined): boolean =>
      // One that does not say has the only anchor that there was.
      anchors === undefined ? authority.slots().length > 1 : name !== undefined && !anchors.includes(name);
    const onlyOld = [...new Set(sidecars().flatMap(({ node, anchors }) => (isOld(anchors) ? [node] : [])))];
    return { anchors: authority.slots(), onlyOld, away: states().includes('old') ? away() : [] };
  };

  return Object.freeze({
    report,
    /** @throws AppError `rotation_refused`, or the store's */
    begin: async (): Promise<void> => {
      if (states().includes('old'))
        throw new AppError(
          'rotation_refused',
          'an old anchor of the channel is still there: `signet ca rotate --channel --retire` first, or `--abort`',
        );
      if (!states().includes('prepared')) await authority.rotation.prepare(clock.now());
      await authority.rotation.activate(clock.now());
      done('a new anchor of the channel: new bootstraps hold it beside the old one, which goes on until it is retired');
    },
    /** Back to the anchor before. */
    abort: async (): Promise<void> => {
      await authority.rotation.abort(clock.now());
      done('went back to the old anchor of the channel');
    },
    /** `force`: whoever has only the old one is left behind. */
    retire: async (force: boolean): Promise<void> => {
      const { onlyOld, away: unknown } = report();
      if (!states().includes('old')) throw new AppError('rotation_refused', 'there is no old anchor of the channel');
      const left = [
        ...(onlyOld.length === 0 ? [] : [`${count(onlyOld.length, 'sidecar')} with it alone: ${named(onlyOld)}`]),
        ...(unknown.length === 0
          ? []
          : [
              `${count(unknown.length, 'instance')} away, who may come back with it: ${named(unknown.map(({ node }) => node))}`,
            ]),
      ];
      if (left.length > 0 && !force)
        throw new AppError(
          'rotation_refused',
          `without the old anchor these do not come back: ${left.join('; ')}; give them new bootstraps, revoke the tokens of what is gone, or say --force`,
        );
      await authority.rotation.retire(clock.now());
      done('retired the old anchors of the channel: who has them alone does not come back');
    },
  });
};

export type ChannelRotation = ReturnType<typeof channelRotation>;
