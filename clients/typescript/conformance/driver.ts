/** The conformance driver: one JSON object a line on stdin, one a line on stdout. */

import { createInterface } from "node:readline";
import { Client, type Credentials, VERSION } from "@longshore/client";
import { type Arguments, DriverError, shownError } from "./json.js";
import * as calls from "./calls.js";
import * as watches from "./watches.js";

const clients = new Map<string, Client>();

type Operation = (args: Arguments, client: Client) => unknown;

const OPERATIONS: Record<string, Operation> = {
  hello: () => ({ language: "typescript", version: VERSION }),
  connect,
  close: (args, client) => {
    client.close();
    clients.delete(args.client);
    return {};
  },
  ...calls.OPERATIONS,
  ...watches.OPERATIONS,
};

// What these are about is a watch, not a client.
const CLIENTLESS = ["hello", "connect", "parse", "format"];

function connect(args: Arguments): object {
  const given: Credentials = {
    tlsCa: args.tls_ca,
    tlsCert: args.tls_cert,
    tlsKey: args.tls_key,
    tlsName: args.tls_name,
    token: args.token,
    tokenFile: args.token_file,
  };
  const isGiven = Object.values(given).some((value) => value !== undefined);
  const client = new Client({
    address: args.address,
    credentials: isGiven ? given : undefined,
  });
  clients.set(args.client, client);
  return {};
}

async function answer(args: Arguments): Promise<object> {
  try {
    const operation = Object.hasOwn(OPERATIONS, args.op) && OPERATIONS[args.op];
    if (!operation) throw new DriverError(`there is no operation '${args.op}'`);
    return { id: args.id, ok: await operation(args, clientOf(args)) };
  } catch (error) {
    return { id: args.id, error: shownError(error) };
  }
}

function clientOf(args: Arguments): Client {
  const client = clients.get(args.client);
  const isNeeded = args.client !== undefined && !CLIENTLESS.includes(args.op);
  if (isNeeded && !client) throw new DriverError(`there is no client '${args.client}'`);
  return client as Client;
}

/** What is null was not given. */
function given(line: string): Arguments {
  const parsed = Object.entries(JSON.parse(line) as Arguments);
  const kept = parsed.filter(([, value]) => value !== null);
  return Object.fromEntries(kept);
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  process.stdout.write(`${JSON.stringify(await answer(given(line)))}\n`);
}
for (const client of clients.values()) client.close();
process.exit(0);
