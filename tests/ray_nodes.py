"""A cluster of Ray's on this machine: prints its address; each line that it reads takes a node away."""

import sys

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    options = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    node = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    cluster.wait_for_nodes()
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cluster.remove_node(node, allow_graceful=False)
    sys.stdin.readline()
    cluster.shutdown()
