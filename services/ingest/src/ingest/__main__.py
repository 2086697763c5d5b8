"""`python -m ingest`."""

from datalab.platform.service import run_service
from ingest.arrivals.service import SERVICE
from ingest.main import create_app
from ingest.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    run_service(create_app(settings), settings=settings, service=SERVICE)
