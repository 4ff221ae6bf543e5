"""The outbox on NATS JetStream: docs/scaling.md."""
