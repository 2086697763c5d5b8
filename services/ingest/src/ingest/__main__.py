"""`python -m ingest`."""

from datalab.platform.service import run_service, settings_from_environment
from ingest import SERVICE
from ingest.main import create_app
from ingest.settings import IngestSettings

if __name__ == "__main__":
    settings = settings_from_environment(IngestSettings)
    run_service(create_app(settings), settings=settings, service=SERVICE)
