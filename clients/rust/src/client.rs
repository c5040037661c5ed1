//! The client of one daemon.

use std::pin::Pin;

use async_stream::try_stream;
use tokio_stream::Stream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::ask::{CREATE, UNARY, ask};
use crate::config::{Credentials, Signer, check_address, default_address};
use crate::error::Result;
use crate::job::JobHandle;
use crate::v1::image_service_client::ImageServiceClient;
use crate::v1::job_service_client::JobServiceClient;
use crate::v1::system_service_client::SystemServiceClient;
use crate::v1::{
    BlockJobInfo, BlockPullJob, CreateImageRequest, CreateJobGroupRequest, CreateJobRequest,
    GetCapabilitiesRequest, GetCapabilitiesResponse, GetImageRequest, Image, ImageRef, Job,
    JobInfo, JobPlan, ListJobsRequest, MapExtent, MapImageRequest, PlanJobRequest, block_job_info,
    block_pull_job, job_info,
};
use crate::watch::{Watch, WatchOptions};

pub(crate) const MAX_MESSAGE: usize = 16 << 20;

/// What comes page by page, fetched as it is needed.
pub type Items<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// The channel of the raw stubs.
pub type SignedChannel = InterceptedService<Channel, Signer>;

/// One page after another; an empty one need not be the last.
macro_rules! pages {
    ($client:expr, $stub:ident.$method:ident($request:ident), $items:ident) => {{
        let (client, mut request) = ($client.clone(), $request);
        Box::pin(try_stream! {
            loop {
                let page = ask!(client, $stub.$method(request.clone()), CREATE).await?;
                for item in page.$items {
                    yield item;
                }
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
        })
    }};
}

/// One daemon. Cheap to clone; connections end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    /// `unix:PATH` or `HOST:PORT`.
    pub address: String,
    pub(crate) control: Channel,
    // A stream that nobody reads must not hold up a cancel.
    pub(crate) watch: Channel,
    pub(crate) signer: Signer,
}

impl Client {
    /// Where and who the environment says: LONGSHORE_ADDRESS, LONGSHORE_TLS_CA, …
    pub fn from_env() -> Result<Self> {
        Self::new(None, None)
    }

    /// What is not given is that of the environment. Reads the files of TLS; connects
    /// when first used. To be called within a Tokio runtime.
    pub fn new(address: Option<&str>, credentials: Option<Credentials>) -> Result<Self> {
        let address = check_address(address.unwrap_or(&default_address()))?;
        let credentials = credentials.unwrap_or_else(Credentials::from_env);
        let endpoint = credentials.endpoint(&address)?;
        let (control, watch) = (endpoint.connect_lazy(), endpoint.connect_lazy());
        Ok(Self { address, control, watch, signer: Signer(credentials) })
    }

    /// The generated stub, for what this wrapper does not offer.
    pub fn jobs(&self) -> JobServiceClient<SignedChannel> {
        JobServiceClient::with_interceptor(self.control.clone(), self.signer.clone())
            .max_decoding_message_size(MAX_MESSAGE)
    }

    /// As [`Client::jobs`].
    pub fn images(&self) -> ImageServiceClient<SignedChannel> {
        ImageServiceClient::with_interceptor(self.control.clone(), self.signer.clone())
            .max_decoding_message_size(MAX_MESSAGE)
    }

    /// As [`Client::jobs`].
    pub fn system(&self) -> SystemServiceClient<SignedChannel> {
        SystemServiceClient::with_interceptor(self.control.clone(), self.signer.clone())
            .max_decoding_message_size(MAX_MESSAGE)
    }

    /// A handle on a job; asks nothing of the daemon yet.
    pub fn job(&self, job_id: impl Into<String>) -> JobHandle {
        JobHandle::new(self.clone(), Job { job_id: job_id.into(), ..Default::default() }, false)
    }

    /// Start a job of any kind. Sent again when an answer is lost, made once: the
    /// request id, filled in if it is empty, sees to that.
    pub async fn create(&self, mut request: CreateJobRequest) -> Result<JobHandle> {
        fill_in(&mut request.request_id);
        let answer = ask!(self, JobServiceClient.create_job(request), CREATE).await?;
        let is_new = !(answer.replayed || answer.existing);
        Ok(JobHandle::new(self.clone(), answer.job.unwrap_or_default(), is_new))
    }

    /// Start jobs that become visible together or not at all.
    pub async fn create_group(&self, mut request: CreateJobGroupRequest) -> Result<Vec<JobHandle>> {
        fill_in(&mut request.request_id);
        let answer = ask!(self, JobServiceClient.create_job_group(request), CREATE).await?;
        let handle = |job| JobHandle::new(self.clone(), job, !answer.replayed);
        Ok(answer.jobs.into_iter().map(handle).collect())
    }

    /// What a job would do; nothing happens.
    pub async fn plan(&self, mut request: CreateJobRequest) -> Result<JobPlan> {
        fill_in(&mut request.request_id);
        let request = PlanJobRequest { request: Some(request) };
        let answer = ask!(self, JobServiceClient.plan_job(request), CREATE).await?;
        Ok(answer.plan.unwrap_or_default())
    }

    /// Jobs, newest first.
    pub fn list(&self, request: ListJobsRequest) -> Items<Job> {
        pages!(self, JobServiceClient.list_jobs(request), jobs)
    }

    /// Jobs as they are, then every change.
    pub fn watch(&self, options: WatchOptions) -> Watch {
        Watch::new(self.clone(), options)
    }

    /// An image and the chain below it, even while it is in use.
    pub async fn image(&self, request: GetImageRequest) -> Result<Image> {
        let answer = ask!(self, ImageServiceClient.get_image(request), CREATE).await?;
        Ok(answer.image.unwrap_or_default())
    }

    /// The extents of an image through its chain, in order.
    pub fn map(&self, request: MapImageRequest) -> Items<MapExtent> {
        pages!(self, ImageServiceClient.map_image(request), extents)
    }

    /// Make an empty image or an overlay. Not sent twice: it may exist then.
    pub async fn create_image(&self, request: CreateImageRequest) -> Result<Image> {
        let answer = ask!(self, ImageServiceClient.create_image(request), CREATE, None).await?;
        Ok(answer.image.unwrap_or_default())
    }

    /// What the daemon is and can do.
    pub async fn capabilities(&self) -> Result<GetCapabilitiesResponse> {
        ask!(self, SystemServiceClient.get_capabilities(GetCapabilitiesRequest {}), UNARY).await
    }
}

/// A request id, so that a call that is repeated cannot do twice what it asks.
fn fill_in(request_id: &mut String) {
    if request_id.is_empty() {
        *request_id = Uuid::now_v7().to_string();
    }
}

/// An image by its path, taken to be qcow2.
impl From<&str> for ImageRef {
    fn from(path: &str) -> Self {
        Self { uri: path.to_owned(), format: "qcow2".to_owned() }
    }
}

/// The request that populates `top` from its whole backing chain; the rest is the
/// caller's: `CreateJobRequest { options, ..pull(top) }`.
pub fn pull(top: impl Into<ImageRef>) -> CreateJobRequest {
    pull_to(top, None::<ImageRef>)
}

/// As [`pull`], but `base` and what is below it stay as they are.
pub fn pull_to(top: impl Into<ImageRef>, base: Option<impl Into<ImageRef>>) -> CreateJobRequest {
    let spec = block_pull_job::Spec {
        top: Some(top.into()),
        base: base.map(Into::into),
        ..Default::default()
    };
    let pull = BlockPullJob { spec: Some(spec), ..Default::default() };
    let block = BlockJobInfo { kind: Some(block_job_info::Kind::Pull(pull)) };
    let info = JobInfo { subsystem: Some(job_info::Subsystem::Block(block)) };
    CreateJobRequest { info: Some(info), ..Default::default() }
}
