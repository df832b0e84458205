"""Nodes with labels, and where tasks go that ask for them.

    placing_test.py BIN CASE
"""
from cluster import ALNILAM, BIN, Cluster, casesOf, environment, main, ran


def labels_names_and_keys_decide():
    with Cluster(nodes=0) as cluster:
        cluster.addNode(0, "--label=zone=a", "--label=disk=ssd", name="node1")
        cluster.addNode(0, "--label=zone=b", name="node2")
        cluster.addNode(0, name="node3")
        program = cluster.start("placing")
        program.passes()
        assert cluster.ask("node", "info", "node1")["labels"] == ["disk=ssd", "zone=a"]
        listed = cluster.ask("node", "list")["nodes"]
        assert [node["labels"] for node in listed] == [["disk=ssd", "zone=a"], ["zone=b"], []]
        tree = ran([ALNILAM, "node", "info", "node2"], env=cluster.env()).stdout
        assert "label zone=b" in tree, tree
        wide = ran([ALNILAM, "node", "list", "-o", "wide"], env=cluster.env()).stdout
        assert "disk=ssd; zone=a" in wide, wide


def what_waits_behind_a_long_task_is_fetched():
    with Cluster(nodes=2) as cluster:
        cluster.start("fetched").passes()


def labels_that_are_none():
    with Cluster(nodes=0) as cluster:
        def refused(*options):
            done = ran([BIN / "alnilam-node", f"--head={cluster.address}",
                        f"--secret-file={cluster.secret}", *options], env=environment())
            assert done.returncode != 0, done
            return done.stderr

        for option, words in [("--label=zone", "key=value"), ("--label=node=x", "by itself"),
                              ("--label=a=(b)", "key=value")]:
            assert words in refused(option), option
        assert "a is given as 1 and as 2" in refused("--label=a=1", "--label=a=2")
    done = ran([BIN / "alnilam-head", "--placement=best"], env=environment())
    assert done.returncode == 2 and "spread" in done.stderr, done


if __name__ == "__main__":
    main(casesOf(globals()))
