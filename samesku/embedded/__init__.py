"""Apache Kafka and Redis of our own, started by pip alone; gone when the process ends, also when it is killed."""
