"""`python -m operation_runner`."""

# ruff: noqa: PLC0415 - computing processes import this module too, and need nothing of it


def main() -> None:
    from datalab.platform.service import run_service
    from operation_runner.main import create_app
    from operation_runner.settings import Settings

    settings = Settings()
    run_service(create_app(settings), settings=settings, service="operation-runner")


if __name__ == "__main__":
    main()
