import type { FastifyInstance } from 'fastify';
import type { AuthorityStatus } from '../ca/authority.ts';
import type { ChannelRotation } from '../control/rotation/channel.ts';
import type { RotationLoop } from '../control/rotation/loop.ts';
import { iso } from '../lib/time.ts';
import { slotAnswer } from './caAnswers.ts';
import { answered } from './guards.ts';
import { channelRequest, rotationRequest } from './requests.ts';
import type { RotationAnswer } from './rotationResponses.ts';

/** Rotations, as operators see and lead them. */
export type RotationPort = {
  readonly loop: Pick<RotationLoop, 'report' | 'begin' | 'pause' | 'resume' | 'abort'>;
  readonly channel: ChannelRotation;
  readonly describe: () => AuthorityStatus;
};

const BY_HAND = 'by hand';

export const rotationAnswer = ({ loop, channel, describe }: RotationPort): RotationAnswer => {
  const { plan, gate, connected, shown, away, due, own, prepared, trouble } = loop.report();
  const { anchors, onlyOld, away: unseen } = channel.report();
  const { root, intermediate } = describe();
  const waitingFor = (gate?.waitingFor ?? []).map(({ node, why, until }) => ({
    node,
    why,
    until: until === undefined ? null : iso(until),
  }));
  return {
    rotation:
      plan === undefined
        ? null
        : {
            ...plan,
            startedAt: iso(plan.startedAt),
            stepSince: iso(plan.stepSince),
            waitingFor,
            trouble: trouble ?? null,
          },
    active: { root: root.serial, intermediate: intermediate.serial },
    scheduled: iso(due),
    ownRoot: own,
    prepared: prepared ?? null,
    sidecars: { connected, shown, away: away.map(({ node, until }) => ({ node, until: iso(until) })) },
    channel: {
      anchors: anchors.map(slotAnswer),
      onlyOld,
      away: unseen.map(({ node, lastSeen }) => ({ node, lastSeen: iso(lastSeen) })),
    },
  };
};

export const rotationRoutes = (app: FastifyInstance, port: RotationPort): void => {
  app.get('/api/v1/ca/rotation', (): RotationAnswer => rotationAnswer(port));

  app.post('/api/v1/ca/rotation', async (request, reply) => {
    const asked = rotationRequest.parse(request.body);
    const { loop } = port;
    const act = (): Promise<void> => {
      switch (asked.action) {
        case 'start':
          return loop.begin(asked.kind, asked.reason ?? BY_HAND);
        case 'abort':
          return loop.abort(asked.reason ?? `aborted ${BY_HAND}`);
        case 'pause':
          return loop.pause();
        case 'resume':
          return loop.resume();
      }
    };
    return answered(reply, async () => {
      await act();
      return rotationAnswer(port);
    });
  });

  app.post('/api/v1/ca/channel', async (request, reply) => {
    const asked = channelRequest.parse(request.body);
    const { channel } = port;
    return answered(reply, async () => {
      await (asked.action === 'retire' ? channel.retire(asked.force) : channel[asked.action]());
      return rotationAnswer(port);
    });
  });
};
