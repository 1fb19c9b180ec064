import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { AuthorityStatus } from '../ca/authority.ts';
import { ROTATION_KINDS } from '../ca/rotation.ts';
import type { ChannelRotation } from '../control/rotation/channel.ts';
import type { RotationLoop } from '../control/rotation/loop.ts';
import { AppError } from '../lib/errors.ts';
import { iso } from '../lib/time.ts';
import { slotAnswer } from './caAnswers.ts';
import { refuse } from './guards.ts';
import type { RotationAnswer } from './rotationResponses.ts';

/** Rotations, as operators see and lead them. */
export type RotationPort = {
  readonly loop: Pick<RotationLoop, 'report' | 'begin' | 'pause' | 'resume' | 'abort'>;
  readonly channel: ChannelRotation;
  readonly describe: () => AuthorityStatus;
};

const MOST_WORDS = 200;
const reason = z
  .string()
  .trim()
  .min(1)
  .max(MOST_WORDS)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line')
  .optional();

export const rotationRequest = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('start'), kind: z.enum(ROTATION_KINDS), reason }),
  z.strictObject({ action: z.enum(['pause', 'resume']) }),
  z.strictObject({ action: z.literal('abort'), reason }),
]);
export type RotationRequest = z.input<typeof rotationRequest>;

export const channelRequest = z.discriminatedUnion('action', [
  z.strictObject({ action: z.enum(['begin', 'abort']) }),
  z.strictObject({ action: z.literal('retire'), force: z.boolean().default(false) }),
]);
export type ChannelRequest = z.input<typeof channelRequest>;

const BY_HAND = 'by hand';

export const rotationAnswer = ({ loop, channel, describe }: RotationPort): RotationAnswer => {
  const { plan, gate, connected, away, due, own, prepared, trouble } = loop.report();
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
    sidecars: { connected, away: away.map(({ node, until }) => ({ node, until: iso(until) })) },
    channel: {
      anchors: anchors.map(slotAnswer),
      onlyOld,
      away: unseen.map(({ node, lastSeen }) => ({ node, lastSeen: iso(lastSeen) })),
    },
  };
};

/** What a rule forbids is an answer; whatever else goes wrong is for the server's own handler. */
const answered = async (reply: FastifyReply, port: RotationPort, act: () => Promise<void>): Promise<FastifyReply> => {
  try {
    await act();
  } catch (error) {
    if (error instanceof AppError && error.code === 'rotation_refused')
      return refuse(reply, 409, error.code, error.message);
    throw error;
  }
  return reply.send(rotationAnswer(port));
};

export const rotationRoutes = (app: FastifyInstance, port: RotationPort): void => {
  app.get('/api/v1/ca/rotation', (): RotationAnswer => rotationAnswer(port));

  app.post('/api/v1/ca/rotation', async (request, reply) => {
    const asked = rotationRequest.parse(request.body);
    const { loop } = port;
    return answered(reply, port, () => {
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
    });
  });

  app.post('/api/v1/ca/channel', async (request, reply) => {
    const asked = channelRequest.parse(request.body);
    return answered(reply, port, () =>
      asked.action === 'retire' ? port.channel.retire(asked.force) : port.channel[asked.action](),
    );
  });
};
