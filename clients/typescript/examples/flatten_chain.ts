/** Pull an image down to one that stays its backing file: flatten_chain BASE TOP */

import { Client } from "@longshore/client";
import type { ImageLink } from "@longshore/client/v1/image";

const [base = "", top = ""] = process.argv.slice(2);
using client = new Client();

const found = (await chain()).find(({ uri }) => uri.endsWith(base));
const job = await client.pull(top, { base: { uri: base, format: found?.format } });
await job.wait();
for (const { uri } of await chain()) console.log(uri);

async function chain(): Promise<ImageLink[]> {
  return (await client.image(top))?.chain ?? [];
}
