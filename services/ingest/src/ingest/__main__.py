"""`python -m ingest`: the service, set by the environment."""

import uvicorn

from datalab.platform.logging import configure_logging
from ingest.main import create_app
from ingest.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    configure_logging(settings, service="ingest")
    uvicorn.run(
        create_app(settings),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
