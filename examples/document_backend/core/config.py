"""Settings of the backend, from the environment or `.env`."""

from functools import lru_cache

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Names as in the environment."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    DATABASE_URL: str = "sqlite:///./backend.db"
    SECRET_KEY: str  # of the login tokens (JWT, HS256), the same as the storage service's

    # Where documents are stored
    STORAGE_TYPE: str = "local"  # s3, minio, local, filesystem, gcs, azure
    S3_ACCESS_KEY: str = ""
    S3_SECRET_KEY: str = ""
    S3_BUCKET: str = ""
    S3_REGION: str = "us-east-1"
    S3_ENDPOINT_URL: str = ""  # for MinIO, and for the storage service
    LOCAL_STORAGE_PATH: str = "./uploads"
    DOCUMENT_KEY_PATH: str = "./document-key.pem"
    DOCUMENT_PREVIOUS_KEY_PATHS: str = ""
    STORAGE_FAILOVER_TYPE: str = ""
    GCS_BUCKET: str = ""
    GOOGLE_APPLICATION_CREDENTIALS: str = ""
    AZURE_CONTAINER: str = ""
    AZURE_STORAGE_ACCOUNT: str = ""
    AZURE_STORAGE_KEY: str = ""


@lru_cache
def get_settings() -> Settings:
    return Settings()
