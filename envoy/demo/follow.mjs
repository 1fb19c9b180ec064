// While the demo runs: says what Signet says of the file, and what ended.
import { statSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOGS, SERVICES, sidecarArguments } from './layout.mjs';

/** Calls `tell` with each whole line that is appended to `file` from now on. */
const followFile = async (file, tell) => {
  const handle = await open(file, 'r');
  let position = statSync(file).size;
  let rest = '';
  const read = async () => {
    for (;;) {
      const { bytesRead, buffer } = await handle.read({ position, buffer: Buffer.alloc(65_536) });
      if (bytesRead === 0) return;
      position += bytesRead;
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
      rest = lines.pop();
      lines.forEach(tell);
    }
  };
  let reading = read();
  watch(file, () => {
    reading = reading.then(read, () => {});
  });
};

/** What of the control plane's log concerns somebody who edits mesh.yaml: each message, with its diagnostics below. */
const wordsOf = (line) => {
  try {
    const { msg, node, revision, diagnostics = [] } = JSON.parse(line);
    const about = [msg, node, revision && `revision ${revision}`].filter((part) => part !== undefined);
    return [about.join(', '), ...diagnostics].join('\n    ');
  } catch {
    return line.trim() || undefined;
  }
};

const sidecarEnded = ({ name, ended }) => {
  const service = Object.values(SERVICES).find((candidate) => name === `sidecar-${candidate.name}`);
  return `${name} ended (${ended}). To start it again:\n  ./bin/signet ${sidecarArguments(service).join(' ')}`;
};

/** Never returns. A control plane that ends is started again; the sidecars meanwhile keep what they have. */
export const follow = async ({ controlPlane, sidecars }, startControlPlane, say) => {
  await followFile(controlPlane.log, (line) => {
    const words = wordsOf(line);
    if (words !== undefined) say(`signet: ${words}`);
  });
  for (const sidecar of sidecars) sidecar.child.once('exit', () => say(sidecarEnded(sidecar)));
  let current = controlPlane;
  for (;;) {
    await sleep(1_000);
    if (current.ended === undefined) continue;
    say(
      `the control plane ended (${current.ended}); the sidecars keep what they have. Starting it again. Logs: ${LOGS}`,
    );
    current = startControlPlane(true);
  }
};
