// A peer as the bench asks for it: a line in, a line out. `tests/docs/bench.md` has the words.
import { createInterface } from "node:readline";
import pg from "pg";

/** The server's own connection, for all that is not measured. */
export async function connect() {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  return client;
}

/** Runs several statements, one after the other and none inside a transaction. */
export async function each(client, statements) {
  for (const statement of statements) await client.query(statement);
}

async function timed(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1000;
}

async function answer({ fill, undo, pass, before, running }, [word, ...numbers]) {
  if (word === "fill") {
    await fill(...numbers.map(Number));
    return "ok";
  }
  if (word === "undo") {
    await undo();
    return "ok";
  }
  if (word === "pass") {
    const runs = Number(numbers[0]);
    const count = await running();
    const times = [];
    for (let run = 0; run < runs; run += 1) {
      await before();
      times.push(await timed(pass));
    }
    times.sort((a, b) => a - b);
    return `${times[Math.floor(runs / 2)]} ${count - (await running())}`;
  }
  throw new Error(`no such word: ${word}`);
}

/** Answers until standard input is closed. */
export async function serve(peer) {
  const lines = createInterface({ input: process.stdin });
  console.log("ready");
  for await (const line of lines) console.log(await answer(peer, line.trim().split(" ")));
  await peer.end();
}
