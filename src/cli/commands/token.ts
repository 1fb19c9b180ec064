import type { TokenCreated, TokenList, TokenListed } from '../../admin/responses.ts';
import { adminClient } from '../adminClient.ts';
import {
  type CommandSpec,
  durationOf,
  OUTPUT,
  print,
  printJson,
  SERVER,
  serviceArgument,
  usage,
  wantsJson,
} from '../command.ts';
import { table } from '../table.ts';

export const tokenCreateCommand: CommandSpec = {
  name: 'token create',
  args: [{ form: '<service>', description: 'NAMESPACE/NAME' }],
  summary: 'make a join token for one service',
  example: 'signet token create prod/web --ttl 15m --uses 3',
  options: [
    { flags: '--ttl <duration>', description: 'until when new instances may join', default: '1h' },
    { flags: '--uses <n>', description: 'how many instances may join', default: '1' },
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const service = serviceArgument(input.args[0]);
    durationOf(input, 'ttl'); // refused before anybody is asked
    const ttl = input.text('ttl') ?? '1h';
    const uses = Number(input.text('uses'));
    if (!Number.isInteger(uses) || uses < 1) throw usage(`--uses ${input.text('uses')} is no number from 1 on`);
    const json = wantsJson(input);
    const client = await adminClient(input, io);
    const made = await client.post<TokenCreated>('/api/v1/tokens', { service, ttl, uses });
    if (json) printJson(io, made);
    else print(io, made.token);
    return 0;
  },
};

export const tokenListCommand: CommandSpec = {
  name: 'token list',
  args: [],
  summary: 'list join tokens, without the tokens themselves',
  example: 'signet token list',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const client = await adminClient(input, io);
    const list = await client.get<TokenList>('/api/v1/tokens');
    if (json) {
      printJson(io, list);
      return 0;
    }
    const rows = list.tokens.map((token) => [
      token.id,
      token.service,
      stateOf(token, Date.now()),
      `${token.joined} of ${token.uses}`,
      token.instances.map(({ node }) => node.split('/').at(-1)).join(' '),
    ]);
    print(io, table(['ID', 'SERVICE', 'STATE', 'USED', 'INSTANCES'], rows));
    return 0;
  },
};

/** One that is over still serves those that joined with it. */
export const stateOf = ({ revokedAt, expires }: Pick<TokenListed, 'revokedAt' | 'expires'>, now: number): string => {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  return Date.parse(expires) > now ? `joins until ${expires}` : `no joins since ${expires}`;
};

export const tokenRevokeCommand: CommandSpec = {
  name: 'token revoke',
  args: [{ form: '<id>', description: 'as `token list` shows it' }],
  summary: 'refuse a token from now on, and end the streams of all that joined with it',
  example: 'signet token revoke 5f0c1d2e3a4b5c6d',
  options: SERVER,
  run: async (input, io) => {
    const id = input.args[0] ?? '';
    if (!/^[0-9a-f]{16}$/.test(id)) throw usage('that is no id of a token: `signet token list` shows them');
    const client = await adminClient(input, io);
    await client.delete(`/api/v1/tokens/${id}`);
    print(io, `revoked ${id}`);
    return 0;
  },
};
