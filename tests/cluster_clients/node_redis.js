// node-redis's cluster client, told step by step what to do: a line of JSON in is a step, and its line of JSON out says what was seen.
//
// Arguments: the host and the port of one node.

'use strict';

const readline = require('readline');
const { createCluster, defineScript } = require('redis');

const seed = `redis://${process.argv[2]}:${process.argv[3]}`;

const increment = defineScript({
  NUMBER_OF_KEYS: 2,
  FIRST_KEY_INDEX: 0,
  SCRIPT: "return {redis.call('INCRBY', KEYS[1], ARGV[1]), KEYS[2]}",
  transformArguments: (first, second, number) => [first, second, String(number)],
});

function connect(more) {
  const cluster = createCluster({
    rootNodes: [{ url: seed }],
    // What can't be sent now fails now, and does not wait for a node that may never come back.
    defaults: { disableOfflineQueue: true, socket: { reconnectStrategy: () => 50 } },
    scripts: { increment },
    ...more,
  });
  // An error that nobody listens to would end the program. Each command tells of its own.
  cluster.on('error', () => {});
  return cluster;
}

const cluster = connect({});
const reader = connect({ useReplicas: true });
const heard = [];
const hearers = [];
let storming = false;
let storm = Promise.resolve();

const say = what => process.stdout.write(`${JSON.stringify(what)}\n`);
const keys = step => Array.from({ length: step.count }, (_, n) => `${step.prefix}${n}`);
const pause = time => new Promise(resolve => setTimeout(resolve, time));

async function oneByOne(list, action) {
  const results = [];
  for (const [n, item] of list.entries()) results.push(await action(item, n));
  return results;
}

const steps = {
  async topology(step) {
    const address = node => `${node.client.options.socket.host}:${node.client.options.socket.port}`;
    return {
      masters: cluster.getMasters().map(address),
      owners: step.slots.map(slot => address(cluster.getSlotMaster(slot))),
    };
  },

  async fill(step) {
    await oneByOne(keys(step), (key, n) => cluster.set(key, `value-${n}`));
    return steps.read(step);
  },

  async read(step) {
    return { read: await oneByOne(keys(step), key => cluster.get(key)) };
  },

  async write(step) {
    const replies = await oneByOne(keys(step), (key, n) => cluster.set(key, `new-${n}`));
    return { written: replies.filter(reply => reply === 'OK').length };
  },

  // What is asked within one turn of the event loop goes out together: a pipeline to each node.
  async pipeline(step) {
    await Promise.all(keys(step).map((key, n) => cluster.set(key, `value-${n}`)));
    const across = await Promise.all(keys(step).map(key => cluster.get(key)));
    const pipe = cluster.multi();
    for (let n = 0; n < step.count; n++) pipe.incr(`${step.tag}n`);
    return { across, tagged: await pipe.execAsPipeline() };
  },

  async transaction(step) {
    const replies = await cluster.multi().set(`${step.tag}t`, '40').incrBy(`${step.tag}t`, 2).exec();
    return { replies: replies.map(reply => (reply === 'OK' ? 1 : reply)) };
  },

  async several_keys(step) {
    const names = ['a', 'b', 'c'].map(letter => step.tag + letter);
    await cluster.mSet(names.map((name, n) => [name, String(n + 1)]));
    return { read: await cluster.mGet(names) };
  },

  async crossslot(step) {
    try {
      await cluster.sUnion(step.keys);
      return { errors: [] };
    } catch (error) {
      return { errors: [error.message] };
    }
  },

  async from_replicas(step) {
    return { read: await oneByOne(keys(step), key => reader.get(key)) };
  },

  async script(step) {
    return { replies: await oneByOne([40, 2], number => cluster.increment(`${step.tag}sum`, `${step.tag}other`, number)) };
  },

  async listen(step) {
    if (step.sharded) return { listening: false };
    const listener = cluster.getSlotMaster(0).client.duplicate();
    await listener.connect();
    await listener.subscribe(step.channel, (message, channel) => {
      const hearer = hearers.shift();
      if (hearer) hearer({ channel, message });
      else heard.push({ channel, message });
    });
    return { listening: true };
  },

  async hear() {
    return heard.shift() ?? new Promise(resolve => hearers.push(resolve));
  },

  // Begins to write, one key after another, until `calm`; says of each write how it went.
  async storm(step) {
    storming = true;
    storm = (async () => {
      for (let n = 0; storming; n++) {
        try {
          await cluster.set(`${step.prefix}${n}`, `value-${n}`);
          say({ write: n, ok: true });
        } catch (error) {
          say({ write: n, ok: false, why: `${error.constructor.name}: ${error.message}` });
        }
        await pause(2);
      }
    })();
    return {};
  },

  async calm() {
    storming = false;
    await storm;
    return {};
  },
};

(async () => {
  await cluster.connect();
  await reader.connect();
  say({ done: 'connect', client: `node-redis ${require('redis/package.json').version}` });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const step = JSON.parse(line);
    try {
      say({ done: step.step, ...(await steps[step.step](step)) });
    } catch (error) {
      say({ failed: step.step, why: `${error.constructor.name}: ${error.message}` });
    }
  }
  process.exit(0);
})();
