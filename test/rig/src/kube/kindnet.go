package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// kindnet is a stand-in for kind's default network daemon, whose image cannot
// be pulled without a container registry: it writes the same ptp + host-local + portmap
// CNI configuration, keeps a route to every other node's pod range and
// masquerades what leaves the pod network. IPv4 only. It does NOT enforce
// NetworkPolicy; the -cilium image is for that.
func kindnet(ctx context.Context) error {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	if ep := os.Getenv("CONTROL_PLANE_ENDPOINT"); ep != "" {
		cfg.Host = "https://" + ep
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	hostIP := os.Getenv("HOST_IP")
	if err := masquerade(os.Getenv("POD_SUBNET")); err != nil {
		return fmt.Errorf("masquerade: %w", err)
	}
	seen := ""
	for ; ctx.Err() == nil; time.Sleep(2 * time.Second) {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			fmt.Fprintln(os.Stderr, "list nodes:", err)
			continue
		}
		state := ""
		for i := range nodes.Items {
			n := &nodes.Items[i]
			ip := internalIP(n)
			if ip == "" || n.Spec.PodCIDR == "" {
				continue
			}
			state += n.Name + " " + ip + " " + n.Spec.PodCIDR + "; "
			if ip == hostIP {
				err = writeCNI(n.Spec.PodCIDR)
			} else {
				err = route(n.Spec.PodCIDR, ip)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, n.Name+":", err)
			}
		}
		if state != seen {
			fmt.Println("nodes:", state)
			seen = state
		}
	}
	return nil
}

func internalIP(n *v1.Node) string {
	for _, a := range n.Status.Addresses {
		if a.Type == v1.NodeInternalIP && net.ParseIP(a.Address).To4() != nil {
			return a.Address
		}
	}
	return ""
}

func route(cidr, gw string) error {
	_, dst, err := net.ParseCIDR(cidr)
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{Dst: dst, Gw: net.ParseIP(gw)})
}

func writeCNI(cidr string) error {
	const file = "/etc/cni/net.d/10-kindnet.conflist"
	conf := fmt.Sprintf(`{
  "cniVersion": "0.3.1",
  "name": "kindnet",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": %q}]]
      },
      "mtu": 1500
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, cidr)
	if old, err := os.ReadFile(file); err == nil && string(old) == conf {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(file), ".kindnet.tmp")
	if err := os.WriteFile(tmp, []byte(conf), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

func masquerade(subnet string) error {
	_, n, err := net.ParseCIDR(subnet)
	if err != nil {
		return err
	}
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "kindnet"})
	c.FlushTable(t)
	ch := c.AddChain(&nftables.Chain{
		Table: t, Name: "postrouting", Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	match := func(offset uint32, op expr.CmpOp) []expr.Any {
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: n.Mask, Xor: make([]byte, 4)},
			&expr.Cmp{Op: op, Register: 1, Data: n.IP.To4()},
		}
	}
	exprs := append(match(12, expr.CmpOpEq), match(16, expr.CmpOpNeq)...)
	c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: append(exprs, &expr.Masq{})})
	return c.Flush()
}
