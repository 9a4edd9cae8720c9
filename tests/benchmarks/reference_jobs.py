"""A minimal script that prints every job with its progress as JSON."""

import json
import os
import sys

import httpx

PAGE = 50


def main() -> None:
    base, account = os.environ["CLOUDFLARE_BASE_URL"], os.environ["CLOUDFLARE_ACCOUNT_ID"]
    headers = {"Authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"}
    url = f"{base}/accounts/{account}/slurper/jobs"
    jobs: list[dict[str, object]] = []
    with httpx.Client(headers=headers, verify=False) as client:
        while len(jobs) % PAGE == 0:
            page = client.get(url, params={"limit": PAGE, "offset": len(jobs)}).json()["result"]
            jobs += page
            if not page:
                break
        printed = [job | client.get(f"{url}/{job['id']}/progress").json()["result"] for job in jobs]
    sys.stdout.write(json.dumps(printed) + "\n")


if __name__ == "__main__":
    main()
