// Ends every process of one run of the demo, known by a mark in its environment, and waits until none is left.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const MARK = 'SIGNET_DEMO_RUN';

const read = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it has ended, or is not ours
  }
};

/** All processes as `{ pid, parent, marked }`, without those that have ended and only wait to be reaped. */
const processes = (run) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      // "PID (NAME) STATE PARENT …", and NAME may hold anything: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
      const [state, parent] = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ') ?? [];
      if (parent === undefined || state === 'Z') return [];
      const marked = read(`/proc/${name}/environ`).split('\0').includes(`${MARK}=${run}`);
      return [{ pid: Number(name), parent: Number(parent), marked }];
    });

/** The marked ones and all below them, whatever environment they were given. */
const membersOf = (run) => {
  const all = processes(run);
  const members = new Map(all.filter(({ marked }) => marked).map((process) => [process.pid, process]));
  for (let size = -1; size !== members.size; ) {
    size = members.size;
    for (const process of all) if (members.has(process.parent)) members.set(process.pid, process);
  }
  return members;
};

const signal = (pid, name) => {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended
  }
};

/** Asks politely first, and from the top: a sidecar ends its Envoy and its app. After `grace` ms nobody is asked. */
export const sweep = async (run, grace = 10_000) => {
  const known = new Map();
  const deadline = Date.now() + grace;
  for (;;) {
    const members = membersOf(run);
    if (members.size === 0) return;
    for (const { pid, parent } of members.values()) {
      if (Date.now() > deadline) signal(pid, 'SIGKILL');
      else if (!members.has(parent) && known.get(pid) === undefined) signal(pid, 'SIGTERM');
      if (!members.has(parent)) known.set(pid, true);
    }
    await sleep(50);
  }
};
